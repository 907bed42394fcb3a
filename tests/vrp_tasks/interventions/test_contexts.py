"""Each intervention against an independent way to the same thing; none leaves a trace."""

from contextlib import contextmanager

import pytest
import torch

from tests.vrp_tasks.helpers.random_models import FAMILIES, batch_of, random_architecture
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.errors import SetupError
from vrp_tasks.families import family_of
from vrp_tasks.interventions.ablation import ablated_units, bypassed, n_units
from vrp_tasks.interventions.blocking import blocked_attention


def prepared(name, n=3):
    architecture = random_architecture(name)
    return architecture.model, family_of(architecture.model.config), batch_of(architecture, n)


def positions(model, family, inputs):
    """Position ids as the decoder gets them, so that a changed mask does not change them."""
    caught = []
    handle = family.decoder(model).register_forward_pre_hook(
        lambda _m, _a, kwargs: caught.append(kwargs["position_ids"]), with_kwargs=True
    )
    logits(model, inputs)
    handle.remove()
    return caught[0]


@torch.inference_mode()
def logits(model, inputs, **more):
    return model(**{**inputs, **more}).logits[:, -1]


def generate(model, inputs, n=4):
    with torch.inference_mode():
        return model.generate(
            **inputs, max_new_tokens=n, min_new_tokens=n, do_sample=False, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip


@contextmanager
def each(model, family, inputs, which):
    """One of the contexts, on half of what it can take."""
    tokens = family.image_tokens(model.config, inputs["input_ids"])
    if which == "blocked":
        with blocked_attention(model, family, tokens, layers=[0, 2]):
            yield
    elif which == "bypassed":
        with bypassed(model, family, 1, "mlp"), bypassed(model, family, 2, "attention"):
            yield
    else:
        units = torch.zeros(1, n_units(model, family, 3, which), dtype=torch.bool)
        units[:, ::2] = True
        with ablated_units(model, family, 3, which, units):
            yield


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("which", ["blocked", "bypassed", "residual", "mlp"])
def test_outputs_are_bit_identical_after_leaving(name, which):
    model, family, inputs = prepared(name)
    with capturing_attention(model):
        before = generate(model, inputs)
        with each(model, family, inputs, which):
            inside = generate(model, inputs)
        after = generate(model, inputs)
    assert torch.equal(before.sequences, after.sequences)
    for a, b in zip(before.logits, after.logits, strict=True):
        assert torch.equal(a, b)
    # it did something, in the prefill and in every decoding step
    assert all(not torch.allclose(a, b) for a, b in zip(before.logits, inside.logits, strict=True))


def test_hooks_are_gone_after_an_error_inside():
    model, family, inputs = prepared("llava", 1)
    with capturing_attention(model):
        before = logits(model, inputs)
        for which in ("blocked", "bypassed", "residual", "mlp"):
            with pytest.raises(RuntimeError, match="inside"), each(model, family, inputs, which):
                raise RuntimeError("inside")
        assert torch.equal(before, logits(model, inputs))


@pytest.mark.parametrize("name", FAMILIES)
def test_blocking_all_image_tokens_equals_a_mask_that_hides_them(name):
    model, family, inputs = prepared(name)
    tokens = family.image_tokens(model.config, inputs["input_ids"])
    hidden = inputs["attention_mask"] * ~tokens
    place = positions(model, family, inputs)
    with capturing_attention(model):
        masked = logits(model, inputs, attention_mask=hidden, position_ids=place)
        with blocked_attention(model, family, tokens):
            blocked = logits(model, inputs, position_ids=place)
        plain = logits(model, inputs, position_ids=place)
    assert torch.isfinite(blocked).all()
    assert (blocked - masked).abs().max() < 1e-4
    assert (plain - masked).abs().max() > 1e-2


@pytest.mark.parametrize("name", FAMILIES)
def test_blocked_image_content_cannot_reach_the_answer(name):
    model, family, inputs = prepared(name)
    tokens = family.image_tokens(model.config, inputs["input_ids"])
    other = {**inputs, "pixel_values": -inputs["pixel_values"]}
    with capturing_attention(model), blocked_attention(model, family, tokens):
        first, second = generate(model, inputs), generate(model, other)
    for a, b in zip(first.logits, second.logits, strict=True):
        assert torch.equal(a, b)


def test_a_block_in_one_layer_is_not_a_block_in_another():
    model, family, inputs = prepared("qwen2_vl")
    tokens = family.image_tokens(model.config, inputs["input_ids"])
    found = []
    with capturing_attention(model):
        for layers in (None, [0], [1], []):
            with blocked_attention(model, family, tokens, layers=layers):
                found.append(logits(model, inputs))
        plain = logits(model, inputs)
    assert torch.equal(found[3], plain)
    assert all(not torch.allclose(a, b) for a, b in ((found[0], found[1]), (found[1], found[2])))


@pytest.mark.parametrize("name", FAMILIES)
def test_ablating_a_residual_dimension_equals_dropping_what_reads_it(name):
    """After the last layer, a dimension at zero is one that final norm and LM head do not see."""
    model, family, inputs = prepared(name)
    last = len(family.decoder(model).layers) - 1
    units = torch.zeros(1, n_units(model, family, last, "residual"), dtype=torch.bool)
    units[0, 5:9] = True
    states = []
    handle = family.decoder(model).norm.register_forward_pre_hook(
        lambda _m, args: states.append(args[0][:, -1])
    )
    plain = logits(model, inputs)
    handle.remove()
    with ablated_units(model, family, last, "residual", units):
        found = logits(model, inputs)
    with torch.inference_mode():
        expected = model.lm_head(family.decoder(model).norm(states[0] * ~units))
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_ablating_every_mlp_unit_is_bypassing_the_mlp(name):
    model, family, inputs = prepared(name)
    units = torch.ones(1, n_units(model, family, 2, "mlp"), dtype=torch.bool)
    with ablated_units(model, family, 2, "mlp", units):
        ablated = logits(model, inputs)
    with bypassed(model, family, 2, "mlp"):
        assert torch.allclose(ablated, logits(model, inputs), atol=1e-6)


def test_a_bypass_equals_zeroing_the_output_projection():
    model, family, inputs = prepared("llava")
    block = family.decoder(model).layers[4]
    for half, module in (("mlp", block.mlp.down_proj), ("attention", block.self_attn.o_proj)):
        with bypassed(model, family, 4, half):
            found = logits(model, inputs)
        kept = module.weight.detach().clone()
        with torch.no_grad():
            module.weight.zero_()
            expected = logits(model, inputs)
            module.weight.copy_(kept)
        assert torch.allclose(found, expected, atol=1e-6)


def test_rows_are_treated_apart_and_fill_is_what_stands_there():
    model, family, inputs = prepared("llava")
    n = n_units(model, family, 1, "residual")
    units = torch.zeros(3, n, dtype=torch.bool)
    units[1, :7] = True
    fill = torch.randn(3, n)
    seen = []
    handle = (
        family.decoder(model)
        .layers[2]
        .register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    )
    plain = logits(model, inputs)
    with ablated_units(model, family, 1, "residual", units, fill=fill):
        found = logits(model, inputs)
    handle.remove()
    assert torch.equal(found[[0, 2]], plain[[0, 2]])
    assert not torch.equal(found[1], plain[1])
    assert torch.equal(seen[1][1, :, :7], fill[1, :7].expand(seen[1].shape[1], 7))
    assert torch.equal(seen[1][1, :, 7:], seen[0][1, :, 7:])


def test_bad_interventions_are_refused():
    model, family, inputs = prepared("llava", 1)
    tokens = family.image_tokens(model.config, inputs["input_ids"])
    with (
        pytest.raises(SetupError, match=r"layer 9 does not exist: the 6 decoder layers are 0 … 5"),
        blocked_attention(model, family, tokens, layers=[9]),
    ):
        pass
    with (
        pytest.raises(SetupError, match="layer -1 does not exist"),
        bypassed(model, family, -1, "mlp"),
    ):
        pass
    with (
        pytest.raises(SetupError, match="layer 0 has 128 residual units, got 3"),
        ablated_units(model, family, 0, "residual", torch.ones(1, 3, dtype=torch.bool)),
    ):
        pass
    with (
        pytest.raises(SetupError, match="for 2 rows cannot be applied to a batch of 1"),
        capturing_attention(model),
        blocked_attention(model, family, tokens.expand(2, -1)),
    ):
        logits(model, inputs)
