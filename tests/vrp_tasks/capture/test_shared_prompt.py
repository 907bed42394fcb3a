"""Rows that share their prompt's keys and values, against rows that each have their own."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers.cache_utils import DynamicLayer

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.random_models import (
    FAMILIES,
    batch_of,
    mixed_batch,
    random_architecture,
)
from vrp_tasks.capture import CaptureSettings, cache, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.shared_prompt import Branches, SharedLayer, attend_together
from vrp_tasks.families import family_of
from vrp_tasks.families.found import Found

WARM = CaptureSettings(k=4, temperature=1.5, top_p=1.0)
PROMPTS, ROWS, LENGTH, STEPS, HEADS, KV_HEADS, WIDTH = 2, 3, 5, 4, 6, 2, 8


@pytest.fixture
def states():
    """A prompt's keys and values, and those of each row's answer."""
    generator = torch.Generator().manual_seed(0)
    prompt = torch.randn(2, PROMPTS, KV_HEADS, LENGTH, WIDTH, generator=generator)
    answers = torch.randn(2, PROMPTS * ROWS, KV_HEADS, STEPS, WIDTH, generator=generator)
    return prompt, answers


def layer_of(prompt, answers, *, room=1):
    first = DynamicLayer()
    first.update(*prompt)
    layer = SharedLayer(first, rows=ROWS, room=room)
    for step in range(STEPS):
        layer.update(*answers[:, :, :, step : step + 1])
    return layer


def each_on_its_own(prompt, answers):
    """(2, B × R, heads, T + n, width), as a repeated cache has them."""
    return torch.cat([prompt.repeat_interleave(ROWS, dim=1), answers], dim=3)


def test_a_layer_holds_the_prompt_once_and_each_row_can_be_read_from_it(states):
    prompt, answers = states
    layer = layer_of(prompt, answers)
    assert layer.keys.shape == (PROMPTS, KV_HEADS, LENGTH + ROWS * STEPS, WIDTH)
    assert layer.get_seq_length() == LENGTH + STEPS
    assert layer.get_mask_sizes(1) == (LENGTH + STEPS + 1, 0)
    expected = each_on_its_own(prompt, answers)
    branches = Branches(ROWS, LENGTH)
    for own in (slice(None), slice(None, None, ROWS), slice(4, 5)):
        assert torch.equal(branches.of_rows(layer.keys, own), expected[0][own])
        assert torch.equal(branches.of_rows(layer.values, own), expected[1][own])


def masks(kind):
    """What rows may see of their own keys: padding on the left, and one row without its answer."""
    if kind == "none":
        return None
    allowed = torch.ones(PROMPTS * ROWS, 1, 1, LENGTH + STEPS, dtype=torch.bool)
    allowed[:ROWS, ..., :2] = False
    allowed[4, ..., LENGTH : LENGTH + 2] = False
    if kind == "bool":
        return allowed
    added = torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.float32).min)
    if kind == "float":
        return added
    return added + torch.linspace(-1, 1, HEADS).view(1, -1, 1, 1) * torch.arange(LENGTH + STEPS)


@pytest.mark.parametrize("kind", ["none", "bool", "float", "heads"])
@pytest.mark.parametrize("is_eager", [False, True])
def test_attention_is_that_of_rows_with_a_cache_of_their_own(states, kind, is_eager):
    prompt, answers = states
    layer = layer_of(prompt, answers)
    query = torch.randn(PROMPTS * ROWS, HEADS, 1, WIDTH, generator=torch.Generator().manual_seed(1))
    mask = masks(kind)
    keys, values = (
        s.repeat_interleave(HEADS // KV_HEADS, dim=1) for s in each_on_its_own(prompt, answers)
    )
    expected = functional.scaled_dot_product_attention(query, keys, values, mask, scale=0.3)

    def eager(queries, tree):
        shared = [s.repeat_interleave(HEADS // KV_HEADS, dim=1) for s in (layer.keys, layer.values)]
        weights = (queries @ shared[0].transpose(2, 3) * 0.3 + tree).softmax(dim=-1)
        return (weights @ shared[1]).transpose(1, 2)

    found = attend_together(
        Branches(ROWS, LENGTH), query, layer.keys, layer.values, mask, 0.3,
        eager=eager if is_eager else None,
    )  # fmt: skip
    torch.testing.assert_close(found, expected.transpose(1, 2), atol=1e-6, rtol=1e-5)


def warm(model, family, inputs, *, share, **options):
    """A generation with samples that differ, and what each cache layer held at its end."""
    held = []
    spread = cache.spread_cache

    def remembering(own, **arguments):
        spread(own, **arguments)
        held.append(own)

    names = [str(row) for row in range(len(inputs["input_ids"]))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("vrp_tasks.capture.decode_state.spread_cache", remembering)
        with torch.inference_mode(), capturing_attention(model):
            sequences, items = probed_generate(
                model, family, inputs, identities=names, settings=WARM, share_prompt=share,
                do_sample=False, eos_token_id=None, **{"max_new_tokens": 6, **options},
            )  # fmt: skip
    return sequences, items, held[0].layers


def assert_the_same(one, other):
    assert torch.equal(one[0], other[0])
    for item, twin in zip(one[1], other[1], strict=True):
        assert item.sampled_tokens == twin.sampled_tokens
        assert item.missing == twin.missing
        np.testing.assert_allclose(item.logprobs, twin.logprobs, atol=1e-4)
        for name in ("image_mass", "maps"):
            mine, theirs = getattr(item, name), getattr(twin, name)
            assert (mine is None) == (theirs is None)
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, atol=2e-5)
        for name, state in item.hidden.items():
            np.testing.assert_allclose(state, twin.hidden[name], atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    ("family", "batch"),
    [*((family, "alike") for family in FAMILIES), ("qwen2_vl", "with several images and none")],
)
def test_samples_and_signals_are_those_of_a_repeated_cache(family, batch):
    model = random_architecture(family).model
    inputs = batch_of(random_architecture(family)) if batch == "alike" else mixed_batch()
    own = family_of(model.config)
    assert_the_same(*(warm(model, own, inputs, share=s, max_new_tokens=20) for s in (True, False)))


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_architecture_samples_as_with_a_repeated_cache(name):
    own = zoo.built(name)
    inputs = zoo.prompts(own)
    family = Found(own.model)
    shared, repeated = (warm(own.model, family, inputs, share=s) for s in (True, False))
    assert_the_same(shared, repeated)
    tokens = [item.sampled_tokens for item in shared[1]]
    assert all(one != other for one, other in itertools.pairwise(tokens[0]))
    kinds = {type(layer) for layer in shared[2]}
    if name in ("idefics2", "kimi_k25"):  # windows alone; keys that are made of what is kept
        assert SharedLayer not in kinds
    else:
        assert SharedLayer in kinds


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_differs_by_rounding_only(dtype):
    own = zoo.built("qwen3_vl", dtype)
    inputs = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in zoo.prompts(own).items()
    }
    shared, repeated = (
        warm(own.model, Found(own.model), inputs, share=s, max_new_tokens=2) for s in (True, False)
    )
    for item, twin in zip(shared[1], repeated[1], strict=True):
        assert item.tokens == twin.tokens
        np.testing.assert_allclose(item.logprobs, twin.logprobs, atol=0.1)
        np.testing.assert_allclose(item.image_mass, twin.image_mass, atol=0.02)


def test_the_cache_of_eleven_rows_is_about_that_of_one(monkeypatch):
    """Of stock's, T + n positions, it has a copy and the answers; not K + 1 copies."""
    monkeypatch.setattr("vrp_tasks.capture.decode_state._ROOM", 4)
    model = random_architecture("llava").model
    inputs = batch_of(random_architecture("llava"))
    family = family_of(model.config)
    _, _, shared = warm(model, family, inputs, share=True, max_new_tokens=4)
    _, _, repeated = warm(model, family, inputs, share=False, max_new_tokens=4)
    length, rows = inputs["input_ids"].shape[1], WARM.k + 1
    for layer, copy in zip(shared, repeated, strict=True):
        per_position = layer.keys[:, :, 0].numel()
        assert layer._buffers[0]._buffer.numel() == per_position * (length + rows * 4)
        assert copy._buffers[0]._buffer.numel() == per_position * rows * (length + 4)
