"""A masked cell changes its own pixels and no other, whatever order a family keeps them in."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vrp_tasks.random_models import FAMILIES, batch_of, random_architecture
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
    image = torch.rand(3, 30, 31, generator=torch.Generator().manual_seed(0))
    changed = replaced_image(image, torch.ones(2, 2, dtype=bool), fill="mean")
    assert (changed[:, :30, 30:] == image[:, :30, 30:]).all()
    assert (changed[:, :30, :30] == image.mean(dim=(1, 2), keepdim=True)).all()
