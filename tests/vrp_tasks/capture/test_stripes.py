"""Where image tokens look, measured: right grids pass, wrong ones are found."""

import numpy as np
import pytest

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.random_models import FAMILIES, random_architecture
from vrp_tasks.capture import stripes
from vrp_tasks.capture.stripes import check_stripes
from vrp_tasks.capture.views import misplaced
from vrp_tasks.families import Found, family_for

# squashed to one size, padded to a square, at its own size with one token per merged square
WITH_GRID = ("gemma3", "paligemma2", "janus", "deepseek_vl", "vipllava")
NATIVE = ("qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v", "kimi_k25", "mistral3", "ernie4_5_vl")
TILED = ("internvl", "llava_next", "llava_onevision", "idefics3", "llama4", "aya_vision", "lfm2_vl")


SMALL = ((48, 72),)


def every(names):
    return [
        pytest.param(name, marks=() if index < 2 else pytest.mark.families)
        for index, name in enumerate(names)
    ]


@pytest.mark.parametrize("name", [*every(WITH_GRID), *every(NATIVE)])
def test_grids_that_are_right_are_confirmed(name):
    own = zoo.built(name)
    assert check_stripes(own.model, Found(own.model), own.processor, shapes=SMALL) is None


@pytest.mark.parametrize("name", every(TILED))
def test_tiles_are_no_grid(name):
    own = zoo.built(name)
    found = check_stripes(own.model, Found(own.model), own.processor, shapes=SMALL)
    assert "image tokens" in found
    assert "do not fill one" in found


def test_tokens_that_look_everywhere_are_on_no_grid():
    own = zoo.built("idefics2")
    assert "away from their" in check_stripes(
        own.model, Found(own.model), own.processor, shapes=SMALL
    )


def test_columns_taken_for_rows_are_found(monkeypatch):
    own = zoo.built("qwen2_5_vl")
    family = Found(own.model)
    right = family.grids_of_prompts
    monkeypatch.setattr(
        family, "grids_of_prompts", lambda *a: [[grid[::-1] for grid in own] for own in right(*a)]
    )
    assert "away from their" in check_stripes(own.model, family, own.processor, shapes=SMALL)


@pytest.mark.parametrize("family", FAMILIES)
def test_declared_grids_are_confirmed_by_stripes(family):
    own = random_architecture(family)
    found = check_stripes(own.model, family_for(own.model), own.processor, shapes=((64, 64),))
    assert found is None


def places(height, width):
    """An even grid over the whole image, row by row."""
    rows, columns = np.indices((height, width))
    return np.stack([(rows + 0.5) / height, (columns + 0.5) / width], axis=-1).reshape(-1, 2)


def test_a_grid_may_cover_less_or_more_than_the_image_but_each_token_has_its_place():
    own = places(4, 6)
    assert misplaced(own, (4, 6)) is None
    assert misplaced(own * 0.6 + 0.2, (4, 6)) is None  # cropped or padded
    padded = own.copy()
    padded[:6] = np.nan
    assert misplaced(padded, (4, 6)) is None
    swapped = own.copy()
    swapped[[7, 9]] = swapped[[9, 7]]
    assert "away from their columns" in misplaced(swapped, (4, 6))
    assert "do not run along" in misplaced(own[::-1], (4, 6))
    assert "do not depend on the image" in misplaced(np.full_like(own, np.nan), (4, 6))


def test_stripes_are_painted_and_read_some_at_a_time_and_none_is_less_than_a_pixel(monkeypatch):
    """Of a photograph, 250 copies at once would be gigabytes, and a strip would take thousands."""
    own, passes, before = zoo.built("internvl"), [], stripes._given
    painted, given = [], [0]

    def counted(*args):
        for image in stripes_painted(*args):
            given[0] += 1
            yield image

    def read(model, family, processor, images):
        passes.append(len(images))
        painted.append(given[0])
        return before(model, family, processor, images)

    stripes_painted = stripes._painted
    monkeypatch.setattr(stripes, "_painted", counted)
    monkeypatch.setattr(stripes, "_given", read)
    family = Found(own.model)
    found = stripes.token_places(own.model, family, own.processor, (2, 30), cells=60, at_once=8)
    assert not isinstance(found, str)
    assert painted == [0, 8, 16, 24, 32]
    assert passes == [8] * 5  # 2 rows and 30 columns of pixels, and the grey image
