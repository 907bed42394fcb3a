"""Logit lens, attribution, top heads, visual tokens and the blank image, against eager models."""

import copy
import itertools

import numpy as np
import pytest
import torch

from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.lens import first_tokens
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.visual_tokens import SINK_RATIO
from vrp_tasks.families import family_of

TARGETS = (["yes"], ["3"], [])


def run(family, *, model=None, k=0, n=3, **settings):
    architecture = random_architecture(family)
    model, inputs = model or architecture.model, batch_of(architecture, n)
    with capturing_attention(model), torch.no_grad():
        return probed_generate(
            model,
            family_of(model.config),
            inputs,
            identities=[str(i) for i in range(n)],
            settings=CaptureSettings(k=k, **settings),
            subjects=Subjects(QUESTIONS[:n], TARGETS[:n], architecture.processor.tokenizer),
            blank={**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])},
            do_sample=False,
            max_new_tokens=3,
        )[1]


def eager_prefill(family, n=3):
    model = random_architecture(family).model
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        return model.generate(
            **batch_of(random_architecture(family), n),
            do_sample=False,
            max_new_tokens=1,
            return_dict_in_generate=True,
            output_hidden_states=True,
            output_attentions=True,
            output_logits=True,
        )
    finally:
        model.set_attn_implementation(before)


@pytest.mark.parametrize("family", FAMILIES)
def test_margins_equal_the_lens_on_eager_hidden_states(family):
    model = random_architecture(family).model
    expected = eager_prefill(family)
    hidden = expected.hidden_states[0]  # transformers' last one is after the final norm
    decoder = model.model.language_model
    for index, item in enumerate(run(family)):
        states = [decoder.norm(layer[index, -1]) for layer in hidden[:-1]] + [hidden[-1][index, -1]]
        logits = model.lm_head(torch.stack(states)).detach().numpy()
        token = item.tokens[0]
        others = np.delete(logits, token, axis=1).max(axis=1)
        np.testing.assert_allclose(
            item.extra["answer_margin"], logits[:, token] - others, atol=2e-4
        )
        step = expected.logits[0][index].numpy()
        assert item.extra["answer_margin"][-1] == pytest.approx(
            step[token] - np.delete(step, token).max(), abs=2e-4
        )
        if not TARGETS[index]:
            assert "truth_margin" not in item.extra
            assert item.missing["truth"] == "no reference answer"
            continue
        own = first_tokens(random_architecture(family).processor.tokenizer, TARGETS[index])
        truth = logits[:, own].max(axis=1) - np.delete(logits, own, axis=1).max(axis=1)
        np.testing.assert_allclose(item.extra["truth_margin"], truth, atol=2e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_and_embedding_sum_to_the_last_margin(family):
    """Exact, since the final norm's scale is frozen at the very state it is applied to."""
    model = random_architecture(family).model
    kind = family_of(model.config)
    embedded = eager_prefill(family).hidden_states[0][0][:, -1]
    for index, item in enumerate(run(family)):
        last = torch.from_numpy(item.hidden["last_prompt"][-1])
        margin = item.extra["answer_margin"][-1]
        norm = kind.decoder(model).norm
        logits = model.lm_head(norm(last)).detach()
        token = item.tokens[0]
        rival = int(logits.index_fill(0, torch.tensor([token]), -torch.inf).argmax())
        row = (model.lm_head.weight[token] - model.lm_head.weight[rival]).detach()
        epsilon = getattr(norm, "variance_epsilon", None) or norm.eps
        scale = (last.square().mean() + epsilon).rsqrt()
        reading = (row * kind.final_norm_gain(model) * scale).detach()
        from_embedding = float(embedded[index] @ reading)
        parts = item.extra["margin_from_attention"].sum() + item.extra["margin_from_mlp"].sum()
        assert parts + from_embedding == pytest.approx(
            margin, abs=5e-3 * max(1, abs(float(margin)))
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_silencing_the_top_head_lowers_the_logit_by_what_was_attributed(family):
    """The head chosen first is the one whose removal costs most, at the last layer exactly."""
    architecture = random_architecture(family)
    model = copy.deepcopy(architecture.model)
    layers = model.model.language_model.layers
    with torch.no_grad():  # only the last layer's heads may speak
        for layer in layers[:-1]:
            layer.self_attn.o_proj.weight.zero_()
    attention = layers[-1].self_attn
    (item,) = run(family, model=model, n=1, top_heads=1)
    token, width = item.tokens[0], attention.head_dim
    losses = []
    heads = attention.o_proj.weight.shape[1] // width
    weight = attention.o_proj.weight.detach().clone()
    rows = []
    for head in range(heads):
        with torch.no_grad():
            attention.o_proj.weight.copy_(weight)
            attention.o_proj.weight[:, head * width : (head + 1) * width] = 0
            mlp_off = layers[-1].mlp.down_proj.weight.detach().clone()
            layers[-1].mlp.down_proj.weight.zero_()
            (without,) = run(family, model=model, n=1)
            last = torch.from_numpy(without.hidden["last_prompt"][-1])
            layers[-1].mlp.down_proj.weight.copy_(mlp_off)
        kind = family_of(model.config)
        gain = kind.final_norm_gain(model).detach()
        losses.append(-float((last * gain) @ model.lm_head.weight[token].detach()))
        rows.append(head)
    best = int(np.argmax(losses))
    expected = eager_rows(family, model, best)
    np.testing.assert_allclose(item.extra["top_heads_map"], expected, atol=1e-5)


def eager_rows(family, model, head):
    """The last prompt token's row of one head of the last layer, image tokens only."""
    inputs = batch_of(random_architecture(family), 1)
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    output = model.generate(
        **inputs, do_sample=False, max_new_tokens=1, return_dict_in_generate=True,
        output_attentions=True,
    )  # fmt: skip
    model.set_attn_implementation(before)
    is_image = family_of(model.config).image_tokens(model.config, inputs["input_ids"])[0]
    row = output.attentions[0][-1][0, head, -1][is_image].detach().numpy()
    return row / row.sum()


@pytest.mark.parametrize("family", FAMILIES)
def test_update_norms_and_sinks_equal_those_of_eager_states(family):
    architecture = random_architecture(family)
    inputs = batch_of(architecture)
    kind = family_of(architecture.model.config)
    is_image = kind.image_tokens(architecture.model.config, inputs["input_ids"])
    hidden = eager_prefill(family).hidden_states[0]
    for index, item in enumerate(run(family)):
        states = [layer[index, is_image[index]] for layer in hidden[:-1]]  # the last is normed
        moved = [float((b - a).norm(dim=-1).mean()) for a, b in itertools.pairwise(states)]
        np.testing.assert_allclose(item.extra["update_norm"][:-1], moved, rtol=1e-4)
        assert item.extra["sinks"].shape == (len(hidden) - 1, int(is_image[index].sum()))
        assert not item.extra["sinks"].any()  # 128 dimensions cannot exceed 20 times their RMS


def test_a_token_with_a_massive_dimension_is_a_sink(monkeypatch):
    """sqrt(128) = 11.3 is the most that 128 dimensions allow, so the threshold comes down."""
    from vrp_tasks.capture import visual_tokens

    assert SINK_RATIO == 20.0
    monkeypatch.setattr(visual_tokens, "SINK_RATIO", 2.5)
    hidden = eager_prefill("llava").hidden_states[0]
    inputs = batch_of(random_architecture("llava"))
    kind = family_of(random_architecture("llava").model.config)
    chosen = kind.image_tokens(random_architecture("llava").model.config, inputs["input_ids"])
    items = run("llava")
    found = 0
    for index, item in enumerate(items):
        for layer, states in enumerate(hidden[:-1]):
            tokens = states[index, chosen[index]]
            ratio = tokens.abs().amax(dim=-1) / tokens.square().mean(dim=-1).sqrt()
            assert item.extra["sinks"][layer].tolist() == (ratio > 2.5).tolist()
            found += int((ratio > 2.5).sum())
    assert found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_blank_state_is_that_of_a_mean_coloured_image(family):
    """And nothing else of the capture changes by asking for it."""
    architecture = random_architecture(family)
    inputs = batch_of(architecture)
    plain, controlled = run(family, k=2), run(family, k=2, blank_image=True)
    output = architecture.model.generate(
        **{**inputs, "pixel_values": torch.zeros_like(inputs["pixel_values"])},
        do_sample=False,
        max_new_tokens=1,
        return_dict_in_generate=True,
        output_hidden_states=True,
    )
    for index, (a, b) in enumerate(zip(plain, controlled, strict=True)):
        expected = torch.stack([h[index, -1] for h in output.hidden_states[0][:-1]]).numpy()
        np.testing.assert_allclose(b.hidden["blank"][:-1], expected, atol=2e-5)
        assert "blank" not in a.hidden
        assert a.sampled_tokens == b.sampled_tokens
        np.testing.assert_array_equal(a.hidden["last_prompt"], b.hidden["last_prompt"])


def test_first_tokens_cover_case_and_space_and_skip_a_lone_space():
    tokenizer = random_architecture("llava").processor.tokenizer
    tokens = first_tokens(tokenizer, ["Yes"])
    decoded = {tokenizer.decode([token]).strip() for token in tokens}
    assert decoded
    assert all(d and "yes".startswith(d.lower()) for d in decoded)
    assert first_tokens(tokenizer, []) == []
    assert first_tokens(None, ["yes"]) == []
