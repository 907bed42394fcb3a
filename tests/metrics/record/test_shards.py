"""Channels survive the way into a run folder's columns and back."""

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

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
from metrics.record.shards import pack
from metrics.record.store import ChannelStore


def scores(n, seed=0):
    return TokenScores(np.random.default_rng(seed).normal(size=n).astype(np.float32))


class Slice:
    def __init__(self, values):
        self.get_shape = lambda: list(values.shape)
        self.values = values

    def __getitem__(self, part):
        return self.values[part]


class Opened(dict):
    """Columns, as safetensors has those of a file."""

    def get_tensor(self, key):
        return self[key]

    def get_slice(self, key):
        return Slice(self[key])


def read(columns, n):
    """What a store finds of every channel, for n answers."""
    store = ChannelStore(lambda _: Opened(columns))
    records = [SimpleNamespace(shard="a", row=row) for row in range(n)]
    found = [{} for _ in records]
    for channel in CHANNELS:
        columns_of = {f.name: store.array(channel, f.name, records) for f in fields(channel)}
        for row, own in enumerate(found):
            arrays = {name: rows[row] for name, rows in columns_of.items()}
            if any(value is not None for value in arrays.values()):
                own[channel.name] = channel(**arrays)
    return found


def equal(one, other):
    return type(one) is type(other) and all(
        value.dtype == other.arrays()[name].dtype and np.array_equal(value, other.arrays()[name])
        for name, value in one.arrays().items()
    )


@given(lengths=st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=6))
def test_rows_of_any_length_and_rows_without_a_channel_come_back(lengths):
    rows = [{} if n is None else {"token_scores": scores(n, n)} for n in lengths]
    for row, own in zip(rows, read(pack(rows), len(rows)), strict=True):
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
    for row, own in zip(rows, read(pack(rows), len(rows)), strict=True):
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
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[2**40], [2]])}, "cannot be"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[-3], [2]])}, "cannot be"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([4, 1])}, "whole numbers"),
        (lambda c: c | {"token_scores.logprobs.shapes": np.array([[5]])}, "no row 1"),
    ],
)  # fmt: skip
def test_a_crafted_file_is_refused_in_words(change, words):
    columns = pack([{"token_scores": scores(3)}, {"token_scores": scores(2)}])
    with pytest.raises(RecordError, match=words):
        read(change(columns), 2)


def test_a_channel_of_a_later_version_is_passed_over():
    columns = pack([{"token_scores": scores(3)}])
    later = {"gaze.at": np.ones(2), "gaze.at.shapes": np.array([[2]])}
    assert set(read(columns | later, 1)[0]) == {"token_scores"}


def test_a_file_of_empty_answers_alone_is_read(tmp_path):
    """Of an empty column safetensors gives no slice, not even an empty one."""
    save_file(pack([{TokenScores.name: scores(0)}] * 2), tmp_path / "a")
    store = ChannelStore(lambda name: safe_open(tmp_path / name, framework="numpy"))
    records = [SimpleNamespace(shard="a", row=row) for row in range(2)]
    found = store.array(TokenScores, "logprobs", records)
    assert [own.shape for own in found] == [(0,), (0,)]
