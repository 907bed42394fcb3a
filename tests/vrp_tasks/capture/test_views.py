"""Images in several pictures: found in the places of their tokens, and read as one grid."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.image_processing_utils import select_best_resolution

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.zoo.reference import eager_pass, image_rows, with_answer
from vrp_tasks.access.places import Places
from vrp_tasks.access.tried import geometry_of
from vrp_tasks.capture import CaptureSettings, layouts, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.channels import channels_of
from vrp_tasks.capture.layouts import Layouts
from vrp_tasks.capture.stripes import blind_vision
from vrp_tasks.capture.trial import inputs_about
from vrp_tasks.capture.views import canvas_of, views_of
from vrp_tasks.families import Found

TILED = (
    "internvl", "llava_next", "llava_onevision", "idefics3", "llama4", "aya_vision", "lfm2_vl",
    "cohere2_vision", "gemma4", "molmo2", "ovis2", "perception_lm",
)  # fmt: skip
SMALL = ((48, 72), (80, 48))
GRID = (3, 2)


def every(names):
    return [
        pytest.param(name, marks=() if index < 2 else pytest.mark.families)
        for index, name in enumerate(names)
    ]


def grid_places(height, width, top=0.0, left=0.0, bottom=1.0, right=1.0):
    """Middles of an even grid over a part of the image, row by row."""
    rows, columns = np.indices((height, width))
    down = top + (rows + 0.5) / height * (bottom - top)
    across = left + (columns + 0.5) / width * (right - left)
    return np.stack([down, across], axis=-1).reshape(-1, 2)


def quarters(side=3):
    return [
        grid_places(side, side, *corner, *(np.array(corner) + 0.5))
        for corner in ((0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5))
    ]


def rectangles_of(views):
    return [tuple(np.round(own.rectangle, 6)) for own in views]


def test_tiles_and_an_overview_are_found_with_what_they_show():
    views = views_of(np.concatenate([*quarters(), grid_places(3, 3)]))
    assert [(own.height, own.width) for own in views] == [(3, 3)] * 5
    assert rectangles_of(views) == [
        (0, 0, 0.5, 0.5), (0, 0.5, 0.5, 1), (0.5, 0, 1, 0.5), (0.5, 0.5, 1, 1), (0, 0, 1, 1)
    ]  # fmt: skip
    assert np.concatenate([own.positions for own in views]).tolist() == list(range(45))


def test_line_ends_show_nothing_and_belong_to_no_picture():
    fine = grid_places(4, 6).reshape(4, 6, 2)
    ended = np.concatenate([fine, np.full((4, 1, 2), np.nan)], axis=1).reshape(-1, 2)
    (view, overview) = views_of(np.concatenate([ended, grid_places(2, 2)]))
    assert (view.height, view.width) == (4, 6)
    assert not set(view.positions) & set(range(6, 28, 7))
    assert (overview.height, overview.width) == (2, 2)
    canvas = canvas_of([view, overview], 32)
    assert canvas.grid == (4, 6)
    assert canvas.one_by_one() is None


def area(cell, token, grid, rectangle, side):
    """Share of a cell that a token of a picture shows, by counting points in it."""
    points = (np.indices((40, 40)).reshape(2, -1).T + 0.5) / 40
    where = (np.array(divmod(cell, grid[1])) + points) / grid
    top, left, bottom, right = rectangle
    own = (where - (top, left)) / (bottom - top, right - left) * side
    inside = np.all((own >= 0) & (own < side), axis=1)
    return float((inside & np.all(np.floor(own) == divmod(token, side[1]), axis=1)).mean())


def test_overlap_is_the_area_that_token_and_cell_share():
    views = views_of(np.concatenate([*quarters(2), grid_places(3, 3)]))
    canvas = canvas_of(views, 25)
    assert canvas.grid == (4, 4)
    dense = canvas.overlap.toarray()
    for view in views:
        side = (view.height, view.width)
        for token, position in enumerate(view.positions):
            for cell in range(16):
                naive = area(cell, token, canvas.grid, view.rectangle, side)
                assert dense[position, cell] == pytest.approx(naive, abs=0.03)
    weights = np.random.default_rng(0).random((2, 25))
    spread = canvas.spread(weights)
    np.testing.assert_allclose(spread.sum(axis=1), weights.sum(axis=1))
    np.testing.assert_allclose(spread, weights @ (dense / dense.sum(axis=1, keepdims=True)))
    np.testing.assert_allclose(canvas.mean(np.full((1, 25), 7.0)), 7.0)
    np.testing.assert_allclose(canvas.mean(weights), weights @ dense / dense.sum(axis=0))


def test_tiles_alone_have_a_token_for_each_cell():
    canvas = canvas_of(views_of(np.concatenate(quarters(3))), 36)
    assert canvas.grid == (6, 6)
    order = canvas.one_by_one()
    by_cell = np.concatenate(quarters(3))[order]
    np.testing.assert_allclose(by_cell, grid_places(6, 6))


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        (np.full((9, 2), np.nan), "do not depend on the image"),
        (grid_places(3, 3, bottom=0.4), "only a part of the image"),
        (np.random.default_rng(0).random((40, 2)), "image tokens"),
    ],
)
def test_what_makes_up_no_image_is_none(places, reason):
    views = views_of(places)
    found = views if isinstance(views, str) else canvas_of(views, len(places))
    assert reason in found


@pytest.mark.parametrize("name", every(TILED))
def test_a_painted_cell_is_found_on_the_canvas(name):
    """Independent of stripes: noise in one cell of a grey image changes the tokens there."""
    own = zoo.built(name)
    family = Found(own.model)
    geometry = geometry_of(own.model, family, own.processor)
    assert geometry.complaint is None
    assert geometry.layouts is not None
    for size in SMALL:
        canvas = geometry.layouts.canvas(size)
        grey = np.full((*size, 3), 128, np.uint8)
        noise = np.random.default_rng(1).integers(0, 256, grey.shape, dtype=np.uint8)
        images, cells = [grey], []
        height, width = canvas.grid
        for row, column in ((0, width - 1), (height - 1, 0), (height // 2, width // 3)):
            part = tuple(
                slice(round(k / n * extent), max(round((k + 1) / n * extent), 1))
                for k, n, extent in zip((row, column), canvas.grid, size, strict=True)
            )
            images.append(grey.copy())
            images[-1][part] = noise[part]
            cells.append((row, column))
        given = decoder_inputs(own, family, images)
        change = np.linalg.norm(given[1:] - given[0], axis=-1)
        seen = canvas.mean(change).reshape(-1, height, width)
        for picture, (row, column) in zip(seen, cells, strict=True):
            found = np.unravel_index(picture.argmax(), canvas.grid)
            assert abs(found[0] - row) <= 1, (size, cells)
            assert abs(found[1] - column) <= 1, (size, cells)


def decoder_inputs(own, family, images):
    """Image tokens at the decoder's input, (n_images, n_tokens, d_model), by its own hook."""
    inputs = inputs_about(own.model, own.processor, [Image.fromarray(i) for i in images])
    image = family.image_tokens(own.model.config, inputs["input_ids"])
    found = []
    first = family.decoder(own.model).module
    hook = first.register_forward_pre_hook(
        lambda m, a, kwargs: found.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    with torch.no_grad(), blind_vision(own.model):
        own.model(**inputs)
    hook.remove()
    return found[0][image].reshape(len(images), -1, found[0].shape[-1]).double().numpy()


def test_tiles_are_those_that_the_processor_states():
    own = zoo.built("internvl")
    found = Layouts(own.model, Found(own.model), own.processor)
    config, processor = own.model.config, own.processor.image_processor
    side = int(config.vision_config.image_size[0] / config.vision_config.patch_size[0])
    side = int(side * config.downsample_ratio)
    for size in ((48, 72), (60, 20), (64, 64)):
        tiles = processor.get_number_of_image_patches(*size, {}) - 1
        height, width = found.canvas(size).grid
        assert height * width == max(1, tiles) * side**2
        assert (height > width) == (size[0] > size[1])


def test_rows_that_were_cut_with_the_padding_are_part_of_the_canvas():
    """10 rows of tokens show 10 of the 10.67 that the image fills; line ends are none of them."""
    own = zoo.built("llava_next")
    family = Found(own.model)
    found = Layouts(own.model, family, own.processor)
    vision = own.model.config.vision_config
    side = vision.image_size // vision.patch_size
    for size in ((48, 72), (60, 20), (64, 64)):
        best = select_best_resolution(size, own.model.config.image_grid_pinpoints)
        scale = (extent // vision.image_size for extent in best)
        n_unpadded, height = own.processor._get_unpadded_features(*size, side, side, *scale)
        canvas = found.canvas(size)
        assert canvas.grid[0] in (height, height + 1)
        assert canvas.grid[1] - n_unpadded // height in (0, 1, 2)
        assert canvas.n_tokens == side**2 + n_unpadded + height


def test_sizes_of_one_kind_are_measured_once(monkeypatch):
    own = zoo.built("internvl")
    measured = []
    token_places = layouts.token_places
    monkeypatch.setattr(
        layouts, "token_places",
        lambda *a, **k: (measured.append(a[3]), token_places(*a, **k))[1],
    )  # fmt: skip
    found = Layouts(own.model, Found(own.model), own.processor)
    wide = found.canvas((96, 144))
    assert found.canvas((100, 150)) is wide
    assert found.canvas((96, 144)) is wide
    assert measured == [(96, 144)]
    assert found.canvas((144, 96)) is not wide
    assert len(measured) == 2


def test_where_memory_runs_out_images_go_alone(monkeypatch):
    own = zoo.built("internvl")
    token_places, sizes = layouts.token_places, []

    def short(*args, at_once=8, **options):
        sizes.append(at_once)
        if at_once > 1:
            raise torch.OutOfMemoryError("out of memory")
        return token_places(*args, at_once=at_once, **options)

    monkeypatch.setattr(layouts, "token_places", short)
    found = Layouts(own.model, Found(own.model), own.processor)
    assert found.canvas((48, 72)).grid
    assert sizes == [8, 1]


def test_an_image_that_the_processor_refuses_has_a_reason():
    own = zoo.built("internvl")
    found = Layouts(own.model, Found(own.model), own.processor)
    assert "was not measured" in found.canvas((0, 5))


@pytest.mark.parametrize("name", every(("internvl", "llava_next", "idefics3")))
def test_maps_are_those_of_one_eager_pass_laid_on_the_canvas(name):
    own = zoo.built(name)
    family = Found(own.model)
    sizes = ((64, 96), (90, 50))  # as `zoo.prompts` paints them
    inputs = zoo.prompts(own)
    family.study(own.model, inputs)
    found = Layouts(own.model, family, own.processor)
    canvases = [found.canvas(size) for size in sizes]
    options = {"do_sample": False, "max_new_tokens": 4, "eos_token_id": None}
    with torch.inference_mode(), capturing_attention(own.model):
        sequences, items = probed_generate(
            own.model, family, inputs, identities=["a", "b"], settings=CaptureSettings(k=0),
            canvases=canvases, **options,
        )  # fmt: skip
    length = inputs["input_ids"].shape[1]
    attentions = eager_pass(own.model, with_answer(inputs, sequences)).attentions
    image = family.image_tokens(own.model.config, inputs["input_ids"])
    for index, (item, canvas) in enumerate(zip(items, canvases, strict=True)):
        channels, _ = channels_of(item)
        maps = channels["image_maps"].by_layer
        assert maps.shape[1:] == canvas.grid
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1.0, atol=1e-5)
        dense = canvas.overlap.toarray()
        share = dense / np.maximum(dense.sum(axis=1, keepdims=True), 1e-12)
        true = image_rows(attentions, image[index], length, index) @ share
        true /= true.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(maps.reshape(len(maps), -1), true, atol=2e-4)


def test_a_prompt_with_another_number_of_tokens_has_no_map():
    own = zoo.built("internvl")
    family = Found(own.model)
    inputs = zoo.prompts(own)
    found = Layouts(own.model, family, own.processor)
    canvases = [found.canvas((64, 64)), "the sample has 2 visuals instead of one image"]
    with torch.inference_mode(), capturing_attention(own.model):
        _, items = probed_generate(
            own.model, family, inputs, identities=["a", "b"], settings=CaptureSettings(k=0),
            canvases=canvases, do_sample=False, max_new_tokens=2,
        )  # fmt: skip
    assert "image tokens, its image has" in items[0].missing["attention"]
    assert items[1].missing["attention"] == "the sample has 2 visuals instead of one image"
    assert all(item.maps is None and item.image_mass is not None for item in items)


def test_four_images_whose_tokens_fill_a_square_are_not_read_as_one():
    own = zoo.built("vipllava")
    family = Found(own.model)
    places = Places(own.model, family, own.processor)
    assert places.complaint is None
    inputs = zoo.prompts(own, shown=(4,))
    ((grid,),) = family.grids_of_prompts(own.model.config, inputs, inputs["input_ids"])
    image = family.image_tokens(own.model.config, inputs["input_ids"])
    assert grid[0] * grid[1] == int(image.sum())
    shown = [Image.new("RGB", (40, 40))] * 4
    canvases = [
        places.canvas(lambda visuals=visuals: visuals) for visuals in (shown, shown[:1], [])
    ]
    assert canvases[1] is None
    assert [own for own in canvases if own is not None] == [
        f"the sample has {n} visuals instead of one image" for n in (4, 0)
    ]
    with torch.inference_mode(), capturing_attention(own.model):
        _, (item,) = probed_generate(
            own.model, family, inputs, identities=["a"], settings=CaptureSettings(k=0),
            canvases=canvases[:1], do_sample=False, max_new_tokens=2,
        )  # fmt: skip
    assert item.maps is None
    assert item.missing["attention"] == canvases[0]


@pytest.mark.parametrize("name", every(("llama4", "cohere2_vision")))
def test_a_model_that_cuts_large_images_alone_has_canvases(name):
    """Three tiles and an overview fill a square, and small images one tile: not one map."""
    own = zoo.built(name)
    family = Found(own.model)
    inputs = inputs_about(own.model, own.processor, [Image.new("RGB", (24, 96))])
    ((grid,),) = family.grids_of_prompts(own.model.config, inputs, inputs["input_ids"])
    image = family.image_tokens(own.model.config, inputs["input_ids"])
    assert grid[0] * grid[1] == int(image.sum())
    found = geometry_of(own.model, family, own.processor, shapes=((8, 12), (12, 8)))
    assert found.complaint is None
    assert found.layouts.canvas((8, 12)).n_tokens == 16
    tiled = found.layouts.canvas((96, 24))
    assert tiled.n_tokens == 64
    assert tiled.grid == (12, 4)  # three tiles below each other


@pytest.mark.parametrize("name", every(("gemma3", "qwen3_vl", "pixtral", "mistral3", "internvl")))
def test_what_tokens_show_of_an_image_is_measured(name):
    own = zoo.built(name)
    found = Layouts(own.model, Found(own.model), own.processor)
    assert found.rectangle((96, 144)) == (0, 0, 1, 1)


def test_a_crop_shows_the_middle():
    """LLaVA's processor keeps the middle square of the image: two thirds of one that is 3 x 2."""
    own = zoo.built("llava")
    assert own.processor.image_processor.do_center_crop
    found = Layouts(own.model, Found(own.model), own.processor)
    assert found.rectangle((96, 144)) == pytest.approx((0, 1 / 6, 1, 5 / 6), abs=0.02)
    assert "only a part of the image" in found.canvas((96, 144))
