"""Attention rows of half-precision models against a float64 product of their queries and keys."""

import copy
import functools

import numpy as np
import pytest
import torch
from torch import nn

from metrics.maps.attention import spatial_entropy
from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, attention, probed_generate
from vrp_tasks.capture.attention import attention_row, capturing_attention, listening, misfit
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.families import family_of
from vrp_tasks.grounding.observer import KEY, PromptMaps

DTYPES = (torch.bfloat16, torch.float16)
N_PROMPTS, N_STEPS = 2, 3


@functools.cache
def biased_model(family, dtype, product):
    """A model whose biases alone make ``q . k`` as large as ``product``.

    As in Qwen2-7B they stand where rotary embeddings hardly turn: what they add is nearly the same
    for every key, so that it cancels in the softmax unless the product is rounded before.
    """
    model = copy.deepcopy(random_architecture(family).model)
    for layer in family_of(model.config).decoder(model).layers:
        head_dim = layer.self_attn.head_dim
        slowest = torch.zeros(head_dim)
        slowest[[head_dim // 2 - 1, head_dim - 1]] = (product / 2) ** 0.5
        for name in ("q_proj", "k_proj"):
            projection = getattr(layer.self_attn, name)
            projection.bias = nn.Parameter(slowest.repeat(projection.out_features // head_dim))
    return model.to(dtype)


def half_batch(family, dtype, n=N_PROMPTS):
    inputs = batch_of(random_architecture(family), n)
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}


class Tape:
    """Queries, keys and masks as they go into the model's attention."""

    def __init__(self):
        self.passes = []

    def on_attention(self, attended):
        self.passes.append(attended)

    def rows(self, step, layer, n_layers):
        """Float64 (B, n_heads, n_keys) of the last query, by a loop over heads."""
        own = self.passes[step * n_layers + layer]
        assert own.layer == layer
        query, key = own.query[:, :, -1].double(), own.key.double()
        per_key = query.shape[1] // key.shape[1]
        rows = []
        for head in range(query.shape[1]):
            scores = (key[:, head // per_key] * query[:, head, None]).sum(dim=-1) * own.scaling
            if own.mask is not None:
                scores[~own.mask[:, 0, -1, : key.shape[2]]] = -torch.inf
            rows.append(scores.softmax(dim=-1))
        return torch.stack(rows, dim=1)

    def products(self):
        """The largest product of each pass, unscaled."""
        for own in self.passes:
            keys = own.key.double().repeat_interleave(own.query.shape[1] // own.key.shape[1], dim=1)
            yield float((keys * own.query[:, :, -1:].double()).sum(dim=-1).abs().max())


def captured(family, dtype, product, observers=()):
    model, tape = biased_model(family, dtype, product), Tape()
    inputs = half_batch(family, dtype)
    with capturing_attention(model), torch.inference_mode():
        plain = model.generate(**inputs, do_sample=False, max_new_tokens=N_STEPS)
        with listening(tape):
            sequences, items = probed_generate(
                model,
                family_of(model.config),
                inputs,
                identities=["a", "b"],
                settings=CaptureSettings(k=0),
                subjects=Subjects(
                    QUESTIONS[:N_PROMPTS],
                    [[]] * N_PROMPTS,
                    random_architecture(family).processor.tokenizer,
                ),
                observers=observers,
                do_sample=False,
                max_new_tokens=N_STEPS,
            )
    assert torch.equal(sequences, plain)
    return model, inputs, items, tape


def true_maps(model, inputs, items, tape):
    """Float64 attention to the image per layer, mean over heads and answer-side positions."""
    n_layers = model.config.get_text_config().num_hidden_layers
    length = inputs["input_ids"].shape[1]
    found = []
    for index, item in enumerate(items):
        image = inputs["input_ids"][index] == model.config.image_token_id
        layers = []
        for layer in range(n_layers):
            rows = [
                tape.rows(step, layer, n_layers)[index].mean(dim=0)[:length][image]
                for step in range(len(item.tokens))
            ]
            layers.append(torch.stack(rows).mean(dim=0))
        found.append(torch.stack(layers).numpy())
    return found


def total_variation(a, b):
    return 0.5 * np.abs(a - b).sum(axis=-1).max()


@pytest.mark.parametrize("product", [76.0, 6_132.0])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_the_float64_product(family, dtype, product):
    model, inputs, items, tape = captured(family, dtype, product)
    assert max(tape.products()) > product / 2
    for item, expected in zip(items, true_maps(model, inputs, items, tape), strict=True):
        assert "attention" not in item.missing
        np.testing.assert_allclose(item.image_mass, expected.sum(axis=1), atol=2e-4)
        true = expected / expected.sum(axis=1, keepdims=True)
        assert total_variation(item.maps, true) < 1e-3
        shown = [m.mean(axis=0).reshape(item.grid) for m in (item.maps, true)]
        assert spatial_entropy(shown[0]) == pytest.approx(spatial_entropy(shown[1]), abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_float16_model_that_answers_is_captured_where_float16_products_overflow(family):
    model, inputs, items, tape = captured(family, torch.float16, 80_000.0)
    assert max(tape.products()) > torch.finfo(torch.float16).max
    for item, expected in zip(items, true_maps(model, inputs, items, tape), strict=True):
        assert np.isfinite(item.image_mass).all()
        np.testing.assert_allclose(item.image_mass, expected.sum(axis=1), atol=2e-3)
        assert "attention" not in item.missing


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_prompt_rows_are_those_of_the_float64_product(family, dtype):
    whole = [functools.partial(PromptMaps, words_of=str)]
    model, inputs, items, tape = captured(family, dtype, 800.0, observers=whole)
    n_layers = model.config.get_text_config().num_hidden_layers
    place = torch.arange(inputs["input_ids"].shape[1])
    for index, item in enumerate(items):
        found = item.extra[KEY]
        assert "attention.prompt" in found.maps, found.missing
        image = inputs["input_ids"][index] == model.config.image_token_id
        words = prompt_words(family, inputs, index)
        layers = []
        for own in tape.passes[:n_layers]:
            per_key = own.query.shape[1] // own.key.shape[1]
            key = own.key[index].double().repeat_interleave(per_key, dim=0)
            scores = own.query[index].double() @ key.transpose(1, 2) * own.scaling
            allowed = place <= place[:, None]
            if own.mask is not None:
                allowed = own.mask[index if len(own.mask) > 1 else 0, 0]
            rows = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1).mean(dim=0)[:, image]
            per_word = torch.stack([rows[list(word)].mean(dim=0) for word in words])
            layers.append(per_word.mean(dim=0))
        true = torch.stack(layers).numpy()
        true = (true / true.sum(axis=1, keepdims=True)).mean(axis=0).reshape(item.grid)
        assert total_variation(found.maps["attention.prompt"].ravel(), true.ravel()) < 1e-3


def prompt_words(family, inputs, index):
    from vrp_tasks.grounding.words import align_words

    tokenizer = random_architecture(family).processor.tokenizer
    words = align_words(tokenizer, inputs["input_ids"][index].tolist(), QUESTIONS[index])
    return [word.positions for word in words]


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float32], ids=str)
def test_a_product_in_the_models_dtype_would_be_another_row(dtype):
    generator = torch.Generator().manual_seed(0)
    query = (torch.randn(2, 4, 32, generator=generator) + 5).to(dtype)
    key = (torch.randn(2, 2, 40, 32, generator=generator) + 5).to(dtype)
    row = attention_row(query, key, None, 32**-0.5)
    full = key.double().repeat_interleave(2, dim=1)
    true = ((full * query.double()[:, :, None]).sum(dim=-1) * 32**-0.5).softmax(dim=-1)
    assert row.dtype == torch.float32
    assert total_variation(row.numpy(), true.numpy()) < 1e-4
    rounded = (full.to(dtype) * query[:, :, None]).float().sum(dim=-1).to(dtype).float()
    rounded = (rounded * 32**-0.5).softmax(dim=-1)
    if dtype != torch.float32:
        assert total_variation(rounded.numpy(), true.numpy()) > 3e-3


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float32], ids=str)
@pytest.mark.parametrize("size", [0.0, 3.0, 30.0, 300.0])
def test_row_times_values_fits_what_sdpa_made_and_nothing_else(dtype, size):
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(3, 4, 1, 16, generator=generator)
    key, value = torch.randn(2, 3, 2, 50, 16, generator=generator)
    query, key = query + size**0.5, key + size**0.5
    query, key, value = (part.to(dtype) for part in (query, key, value))
    output = nn.functional.scaled_dot_product_attention(
        query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), scale=0.25
    )[:, :, 0]
    row = attention_row(query[:, :, 0], key, None, 0.25)
    asked = (query[:, :, 0], key, value)
    assert float(misfit(row, *asked, output, 0.25).max()) < 1
    assert float(misfit(row.roll(1, dims=-1), *asked, output, 0.25).min()) > 3
    hidden = torch.ones(50, dtype=torch.bool)
    hidden[:25] = False
    masked = attention_row(query[:, :, 0], key, hidden[None, None], 0.25)
    assert float(misfit(masked, *asked, output, 0.25).min()) > 3
    assert misfit(row, *asked, output * torch.nan, 0.25).isnan().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_that_attends_otherwise_than_its_rows_say_has_no_map(family, monkeypatch):
    """As with a soft cap on the scores, which neither shows in a sum nor in an entropy."""
    stock = attention.sdpa_attention_forward

    def colder(module, query, key, value, mask, *, scaling=None, **options):
        changed = scaling * 0.5 if module.layer_idx == 2 else scaling
        return stock(module, query, key, value, mask, scaling=changed, **options)

    monkeypatch.setattr(attention, "sdpa_attention_forward", colder)
    whole = [functools.partial(PromptMaps, words_of=str)]
    _, _, items, _ = captured(family, torch.bfloat16, 0.0, observers=whole)
    for item in items:
        assert item.maps is None
        assert item.image_mass is None
        said = "the attention row of layer 2 times V is not what the layer used"
        assert item.missing["attention"].startswith(said)
        assert item.extra[KEY].missing["attention.prompt"].startswith(said)
