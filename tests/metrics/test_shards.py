"""Channels survive the way into a run folder's columns and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import RecordError
from metrics.record.channels import (
    CHANNELS,
    ImageMaps,
    ImageTokens,
    PromptState,
    Samples,
    TokenScores,
    texts,
)
from metrics.record.shards import pack, unpack


def scores(n, seed=0):
    rng = np.random.default_rng(seed)
    return TokenScores(
        rng.normal(size=n).astype(np.float32),
        rng.random(n).astype(np.float32),
        rng.random(2).astype(np.float32),
    )


def equal(one, other):
    return type(one) is type(other) and all(
        value.dtype == other.arrays()[name].dtype and np.array_equal(value, other.arrays()[name])
        for name, value in one.arrays().items()
    )


@given(lengths=st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=6))
def test_rows_of_any_length_and_rows_without_a_channel_come_back(lengths):
    rows = [{} if n is None else {"token_scores": scores(n, n)} for n in lengths]
    back = unpack(pack(rows))
    assert len(back) == (len(rows) if any(rows) else 0)
    for row, own in zip(rows, back, strict=False):
        assert set(row) == set(own)
        assert all(equal(row[name], own[name]) for name in row)


def test_maps_of_different_grids_and_bool_arrays_keep_shape_and_type():
    rows = [
        {
            "image_maps": ImageMaps(np.full((2, *grid), 1 / np.prod(grid), np.float32)),
            "image_tokens": ImageTokens(
                np.ones(2, np.float32), np.zeros((2, int(np.prod(grid))), bool)
            ),
            "state_prompt": PromptState(np.ones((3, 4), np.float16)),
        }
        for grid in ((2, 3), (4, 1), (5, 5))
    ]
    for row, own in zip(rows, unpack(pack(rows)), strict=True):
        assert all(equal(row[name], own[name]) for name in row)


def test_text_is_not_stored_in_array_files():
    samples = Samples(texts(["a"]), texts(["a"]), texts(["a"]))
    assert pack([{"samples": samples}]) == {}


def test_every_channel_has_a_name_of_its_own():
    names = [channel.name for channel in CHANNELS]
    assert len(set(names)) == len(names)
    assert not any("." in name for name in names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c | {"token_scores.logprobs": c["token_scores.logprobs"][:-1]}, "shapes say"),
        (lambda c: {k: v for k, v in c.items() if k != "token_scores.logprobs"}, "lacks"),
        (lambda c: {k: v for k, v in c.items() if "entropies" not in k}, "other fields"),
        (lambda c: c | {"token_scores.extra": np.ones(2), "token_scores.extra.shapes":
                        np.array([[1], [1]])}, "other fields"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[2**40], [2]])}, "cannot be"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[-3], [2]])}, "cannot be"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([4, 1])}, "whole numbers"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[5]])}, "number of rows"),
    ],
)  # fmt: skip
def test_a_crafted_file_is_refused_in_words(change, words):
    columns = pack([{"token_scores": scores(3)}, {"token_scores": scores(2)}])
    with pytest.raises(RecordError, match=words):
        unpack(change(columns))


def test_a_channel_of_a_later_version_is_passed_over():
    columns = pack([{"token_scores": scores(3)}])
    later = {"gaze.at": np.ones(2), "gaze.at.shapes": np.array([[2]])}
    assert set(unpack(columns | later)[0]) == {"token_scores"}
