"""A region is painted into an image; the cells whose pixels change must be those of the region."""

import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import (
    AutoProcessor,
    CLIPImageProcessor,
    LlavaImageProcessor,
    LlavaNextImageProcessor,
    Qwen2VLImageProcessor,
    SiglipImageProcessor,
)

import vrp_tasks
from tests.vrp_tasks.helpers.random_models import FAMILIES, random_architecture
from vrp_tasks.errors import UnmappedError
from vrp_tasks.families import FAMILIES as FAMILY_OF_TYPE
from vrp_tasks.families import family_of
from vrp_tasks.families.window import window_of
from vrp_tasks.grounding.geometry import region_on_grid
from vrp_tasks.grounding.regions import region_of

CHECKPOINTS = Path(vrp_tasks.__file__).parent / "tiny" / "checkpoints"
CLIP_336 = CLIPImageProcessor(
    size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}, do_center_crop=True
)
PADDED_336 = LlavaImageProcessor(
    size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}, do_pad=True
)
SIGLIP_224 = SiglipImageProcessor(size={"height": 224, "width": 224})
QWEN = Qwen2VLImageProcessor(size={"shortest_edge": 3136, "longest_edge": 602112})
SIZES = ((97, 61), (61, 97), (640, 427), (333, 500), (224, 224))
BOXES = ((0.1, 0.2, 0.4, 0.5), (0.55, 0.3, 0.9, 0.95), (0.45, 0.45, 0.5, 0.6))


def planes(processor, image):
    """The processed image as a (height, width) plane of one number per pixel."""
    values = processor(images=[image], return_tensors="pt")
    if "image_grid_thw" not in values:
        return values["pixel_values"][0].sum(dim=0).numpy()
    _, h, w = values["image_grid_thw"][0].tolist()
    merge, side = processor.merge_size, processor.patch_size
    patches = values["pixel_values"].reshape(
        h // merge, w // merge, merge, merge, 3, processor.temporal_patch_size, side, side
    )
    return patches[:, :, :, :, :, 0].permute(4, 0, 2, 5, 1, 3, 6).reshape(3, h * side, -1).sum(0)


def changed_share(processor, size, box, cell):
    """Share of each cell's pixels that change when the box turns from black to white."""
    width, height = size
    x0, y0, x1, y1 = box
    before = np.zeros((height, width, 3), dtype=np.uint8)
    after = before.copy()
    after[y0:y1, x0:x1] = 255
    off, on = (np.asarray(planes(processor, Image.fromarray(p))) for p in (before, after))
    full = np.asarray(planes(processor, Image.fromarray(np.full_like(before, 255))))
    contrast = np.where(full == off, 1.0, full - off)
    share = (on - off) / contrast
    rows, columns = share.shape[0] // cell, share.shape[1] // cell
    share = share[: rows * cell, : columns * cell]  # an incomplete patch is not read
    return share.reshape(rows, cell, columns, cell).mean(axis=(1, 3))


def shown_share(processor, cell):
    """As `Family.shown_share`, of a vision tower that takes what this processor makes."""
    if isinstance(processor, Qwen2VLImageProcessor):
        return 1.0
    side = 336 if isinstance(processor, (CLIPImageProcessor, LlavaImageProcessor)) else 224
    vision = types.SimpleNamespace(image_size=side, patch_size=cell)
    return FAMILY_OF_TYPE["llava"].shown_share(types.SimpleNamespace(vision_config=vision))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    ("processor", "cell"),
    [
        (CLIP_336, 14),
        (PADDED_336, 14),
        (SIGLIP_224, 14),
        (QWEN, 28),
        (CLIP_336, 27),
        (SIGLIP_224, 28 + 9),
    ],
    ids=["clip", "pad", "siglip", "qwen2-vl", "clip with a margin", "siglip with a margin"],
)
def test_painted_boxes_are_found_where_they_are_mapped(processor, cell, size):
    width, height = size
    window = window_of(processor, size).shown(shown_share(processor, cell))
    for u0, v0, u1, v1 in BOXES:
        box = [int(u0 * width), int(v0 * height), int(u1 * width), int(v1 * height)]
        region = region_of({"boxes": [box], "size": size}, size)
        found = changed_share(processor, size, box, cell)
        try:
            expected = region_on_grid(region, window, found.shape)
        except UnmappedError:
            assert np.abs(found).max() < 0.1
            continue
        # interpolation blurs an edge by a pixel or two, so a cut cell is known that well only
        assert np.abs(found - expected).max() < 0.2
        assert abs(found.sum() - expected.sum()) < 0.03 * found.size**0.5
        center = np.array(np.unravel_index(found.argmax(), found.shape))
        assert expected[tuple(center)] > 0.5 * expected.max()


@pytest.mark.parametrize("family", FAMILIES)
def test_shipped_sizes_are_mapped_exactly(family):
    """Without resizing there is no blur: shares are exact to the last digit."""
    architecture = random_architecture(family)
    processor = architecture.processor.image_processor
    cell = 14
    box = [17, 30, 44, 71]
    region = region_of({"boxes": [box], "size": [112, 112]}, (112, 112))
    expected = region_on_grid(region, window_of(processor, (112, 112)), (8, 8))
    found = changed_share(processor, (112, 112), box, cell)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    values = processor(images=[Image.new("RGB", (112, 112))], return_tensors="pt")
    config = architecture.model.config
    assert family_of(config).image_grid(config, dict(values), 0) == (8, 8)


@pytest.mark.parametrize("family", ["llava", "paligemma", "qwen2-vl"])
def test_shipped_processors_are_known(family):
    processor = AutoProcessor.from_pretrained(CHECKPOINTS / f"vrp-tiny-{family}")
    window = window_of(processor.image_processor, (200, 100))
    cropped = family == "llava"
    assert (window.left, window.right) == ((50, 150) if cropped else (0, 200))
    assert (window.top, window.bottom) == (0, 100)


def test_a_region_that_is_cropped_away_says_so():
    region = region_of({"boxes": [[0, 0, 20, 100]], "size": [300, 100]}, (300, 100))
    with pytest.raises(UnmappedError, match="cropped away"):
        region_on_grid(region, window_of(CLIP_336, (300, 100)), (24, 24))


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        (LlavaNextImageProcessor(), "LlavaNextImageProcessor maps pixels"),
        (CLIPImageProcessor(size={"shortest_edge": 100}), "pads the image to its crop size"),
        (SiglipImageProcessor(size={"shortest_edge": 224}), "keeps the shape"),
    ],
    ids=["anyres", "crop larger than the image", "aspect kept"],
)
def test_other_processors_are_refused(processor, reason):
    with pytest.raises(UnmappedError, match=reason):
        window_of(processor, (200, 100))
