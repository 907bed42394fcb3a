"""A masked cell changes its own pixels and no other, whatever order a family keeps them in."""

import copy
import types

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor, SiglipImageProcessor

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.capture.geometry import check_geometry
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of
from vrp_tasks.interventions.pixels import replaced_image, replaced_pixels


def prepared(name):
    architecture = random_architecture(name)
    return architecture, family_of(architecture.model.config), batch_of(architecture)


def some_cells(architecture, family, inputs):
    grids = [family.image_grid(architecture.model.config, inputs, i) for i in range(3)]
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(grid, generator=generator) < 0.3 for grid in grids]


@pytest.mark.parametrize("name", FAMILIES)
def test_images_are_what_the_processor_was_given(name):
    """Against the processor itself: the planes are the picture, normalised, pixel for pixel."""
    architecture, family, _ = prepared(name)
    config, processor = architecture.model.config, architecture.processor.image_processor
    side = 112
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    inputs = dict(processor(images=[Image.fromarray(picture)], return_tensors="pt"))
    (planes,) = family.images(config, inputs)
    mean, std = np.array(processor.image_mean), np.array(processor.image_std)
    expected = ((picture / 255 - mean) / std).transpose(2, 0, 1)
    assert np.abs(planes.numpy() - expected).max() < 1e-5
    assert torch.equal(family.pixel_values(config, inputs, [planes]), inputs["pixel_values"])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_exactly_the_chosen_cells_change(name, fill):
    architecture, family, inputs = prepared(name)
    config = architecture.model.config
    before = {key: value.clone() for key, value in inputs.items()}
    cells = some_cells(architecture, family, inputs)
    edited = replaced_pixels(config, family, inputs, cells, fill=fill)
    assert all(torch.equal(inputs[key], before[key]) for key in inputs)  # no trace
    for old, new, chosen in zip(
        family.images(config, inputs), family.images(config, edited), cells, strict=True
    ):
        rows, columns = old.shape[1] // chosen.shape[0], old.shape[2] // chosen.shape[1]
        for i, j in np.ndindex(*chosen.shape):
            where = (slice(None), slice(i * rows, (i + 1) * rows),
                     slice(j * columns, (j + 1) * columns))  # fmt: skip
            if not chosen[i, j]:
                assert torch.equal(old[where], new[where])
            elif fill == "mean":
                assert torch.allclose(new[where], old.mean(dim=(1, 2))[:, None, None], atol=1e-5)
            else:
                assert new[where].std() < old.std()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_masked_cells_own_token_changes_most(name):
    """The grid of cells is the grid of image tokens."""
    architecture, family, inputs = prepared(name)
    model = architecture.model
    grids = [family.image_grid(model.config, inputs, i) for i in range(3)]
    offset, changed = 0, None
    for index, grid in enumerate(grids):
        cells = [torch.zeros(g, dtype=torch.bool) for g in grids]
        cells[index][1, 2] = True
        edited = replaced_pixels(model.config, family, inputs, cells)
        edited["pixel_values"] += 5.0 * (edited["pixel_values"] != inputs["pixel_values"])
        change = (tokens(model, family, edited) - tokens(model, family, inputs)).norm(dim=-1)
        changed = int(change.argmax())
        assert changed == offset + grid[1] + 2
        offset += grid[0] * grid[1]


@torch.inference_mode()
def tokens(model, family, inputs):
    accepted = {name: inputs[name] for name in family.image_inputs}
    features = model.get_image_features(**accepted, return_dict=True).pooler_output
    found = features if isinstance(features, torch.Tensor) else torch.cat(list(features))
    return found.reshape(-1, found.shape[-1])


def test_bad_cells_are_refused():
    architecture, family, inputs = prepared("llava")
    config = architecture.model.config
    good = torch.zeros(8, 8, dtype=torch.bool)
    with pytest.raises(SetupError, match="2 grids of cells for 3 images"):
        replaced_pixels(config, family, inputs, [good, good])
    with pytest.raises(SetupError, match=r"cells of shape \(4, 8\) for a grid of \(8, 8\)"):
        replaced_pixels(config, family, inputs, [good, good, good[:4]])


def test_a_margin_that_no_cell_shows_stays():
    image = torch.rand(3, 27, 29, generator=torch.Generator().manual_seed(0))
    changed = replaced_image(image, torch.ones(3, 4, dtype=bool), side=7, fill="mean")
    assert (changed[:, 21:] == image[:, 21:]).all()
    assert (changed[:, :, 28:] == image[:, :, 28:]).all()
    assert (changed[:, :21, :28] == image.mean(dim=(1, 2), keepdim=True)).all()


def odd_sized(name):
    """A model and inputs of a 61 x 97 image; 27 pixels are no multiple of the patches of 7."""
    architecture = random_architecture(name)
    picture = np.random.default_rng(1).integers(0, 256, (61, 97, 3), dtype=np.uint8)
    if name == "qwen2_vl":
        model, processor = architecture.model, architecture.processor.image_processor
    else:
        config = copy.deepcopy(architecture.model.config)
        config.vision_config.image_size, config.vision_config.patch_size = 27, 7
        model = type(architecture.model)(config).eval()
        processor = (
            CLIPImageProcessor(size={"shortest_edge": 27}, crop_size=27)
            if name == "llava"
            else SiglipImageProcessor(size={"height": 27, "width": 27})
        )
    inputs = dict(processor(images=[Image.fromarray(picture)], return_tensors="pt"))
    return model, family_of(model.config), processor, inputs


@torch.inference_mode()
def embedded_patches(model, family, inputs):
    """What the vision tower makes of each token's own pixels, before anything mixes them."""
    found = []
    vision = model.model.visual if hasattr(model.model, "visual") else model.model.vision_tower
    (module,) = [m for n, m in vision.named_modules() if n.endswith(("patch_embed", "_embedding"))
                 and "position" not in n]  # fmt: skip
    handle = module.register_forward_hook(lambda _m, _a, output: found.append(output))
    try:
        model.get_image_features(**{name: inputs[name] for name in family.image_inputs})
    finally:
        handle.remove()
    (patches,) = found
    if patches.ndim == 4:
        return patches[0].flatten(1).T
    return patches.reshape(-1, 4 * patches.shape[-1])  # Qwen2-VL merges four neighbours


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_a_masked_cell_is_exactly_what_feeds_its_token(name, fill):
    model, family, _, inputs = odd_sized(name)
    config = model.config
    grid = family.image_grid(config, inputs, 0)
    clean = embedded_patches(model, family, inputs)
    assert len(clean) == grid[0] * grid[1]
    for cell in np.ndindex(*grid):
        cells = torch.zeros(grid, dtype=torch.bool)
        cells[cell] = True
        edited = replaced_pixels(config, family, inputs, [cells], fill=fill)
        changed = (embedded_patches(model, family, edited) != clean).any(dim=1)
        assert changed.nonzero().flatten().tolist() == [cell[0] * grid[1] + cell[1]]
    everything = torch.ones(grid, dtype=torch.bool)
    gone = replaced_pixels(config, family, inputs, [everything])  # all of what any token reads
    mean = family.images(config, inputs)[0].float().mean(dim=(1, 2), keepdim=True)
    plain = [mean.expand_as(image) for image in family.images(config, inputs)]
    flat = {**inputs, "pixel_values": family.pixel_values(config, inputs, plain)}
    torch.testing.assert_close(
        embedded_patches(model, family, gone), embedded_patches(model, family, flat)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_every_pixel_feeds_the_token_of_its_cell_or_none(name):
    model, family, _, inputs = odd_sized(name)
    (image,) = family.images(model.config, inputs)
    _, columns = family.image_grid(model.config, inputs, 0)
    clean, side = embedded_patches(model, family, inputs), family.cell_side(model.config)
    shown = round(image.shape[1] * family.shown_share(model.config))
    assert shown == (image.shape[1] if name == "qwen2_vl" else 21)
    for y, x in ((0, 0), (6, 7), (7, 6), (13, 20), (20, 14), (20, 20), (21, 3), (3, 26), (26, 26)):
        one = image.clone()
        one[:, y, x] += 1.0
        edited = {**inputs, "pixel_values": family.pixel_values(model.config, inputs, [one])}
        changed = (embedded_patches(model, family, edited) != clean).any(dim=1)
        own = [y // side * columns + x // side] if name == "qwen2_vl" or max(y, x) < 21 else []
        assert changed.nonzero().flatten().tolist() == own


@pytest.mark.parametrize("name", FAMILIES)
def test_the_geometry_test_passes_where_patches_leave_a_margin(name):
    model, family, image_processor, _ = odd_sized(name)
    processor = types.SimpleNamespace(image_processor=image_processor)
    assert check_geometry(model, family, processor) is None
