"""Models with quantised linear layers: what reads weights goes another way or says why not."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests.vrp_tasks.helpers.observed import record_of
from tests.vrp_tasks.helpers.random_models import FAMILIES, QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.generate import STANDARD
from vrp_tasks.capture.observer import Subjects
from vrp_tasks.capture.weights import UNREADABLE, plain_weight
from vrp_tasks.families import family_of
from vrp_tasks.grounding.observer import KEY, PromptMaps
from vrp_tasks.interventions.ablation import ablated_units
from vrp_tasks.interventions.branches import branch_answers, branched_generate

OPTIONS = {"do_sample": False, "max_new_tokens": 4}


class Int8(nn.Module):
    """A layer that keeps integers and a scale per output, as quantising libraries do."""

    def __init__(self, layer):
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        weight = layer.weight.detach()
        self.scale = nn.Parameter(weight.abs().amax(dim=1, keepdim=True) / 127, requires_grad=False)
        packed = (weight / self.scale).round().to(torch.int8)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = layer.bias

    def unpacked(self):
        return self.weight.float() * self.scale

    def forward(self, x):
        return nn.functional.linear(x, self.unpacked(), self.bias)


class Unpacked(Int8):
    """The same numbers in a plain layer."""

    def __new__(cls, layer):
        packed = Int8(layer)
        plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        plain.weight = nn.Parameter(packed.unpacked())
        plain.bias = layer.bias
        return plain


def replaced(family, kind, names):
    """A copy of the random model whose decoder layers of these names are of another kind."""
    model = copy.deepcopy(random_architecture(family).model)
    with torch.no_grad():
        for layer in family_of(model.config).decoder(model).layers:  # a bias must not count
            bias = torch.linspace(-1, 1, layer.self_attn.o_proj.out_features)
            layer.self_attn.o_proj.bias = nn.Parameter(bias)
        for module in list(family_of(model.config).decoder(model).modules()):
            for name in names:
                if isinstance(getattr(module, name, None), nn.Linear):
                    setattr(module, name, kind(getattr(module, name)))
    return model


def capture(family, model, *, n=2):
    architecture = random_architecture(family)
    with capturing_attention(model), torch.inference_mode():
        _, items = probed_generate(
            model, family_of(model.config), batch_of(architecture, n),
            identities=[str(i) for i in range(n)],
            settings=CaptureSettings(k=2, top_heads=3),
            subjects=Subjects(QUESTIONS[:n], [["yes"]] * n, architecture.processor.tokenizer),
            observers=[*STANDARD, partial(PromptMaps, words_of=str)],
            **OPTIONS,
        )  # fmt: skip
    return items


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quantised_decoder_gives_what_its_own_numbers_give(family):
    """Heads are read through the projection's forward pass, and are those of its weights."""
    ours = capture(family, replaced(family, Int8, PROJECTIONS))
    plain = capture(family, replaced(family, Unpacked, PROJECTIONS))
    for a, b in zip(ours, plain, strict=True):
        assert a.tokens == b.tokens
        assert a.missing == b.missing
        assert a.extra.keys() == b.extra.keys()
        for name in ("answer_margin", "margin_from_attention", "margin_from_mlp", "top_heads_map"):
            np.testing.assert_allclose(a.extra[name], b.extra[name], atol=2e-4, err_msg=name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_quantised_throughout_has_margins_and_says_what_it_lacks(family):
    """PyTorch's own dynamic quantisation, the unembedding too: ``weight`` is a method there."""
    model = torch.ao.quantization.quantize_dynamic(
        copy.deepcopy(random_architecture(family).model), {nn.Linear}, dtype=torch.qint8
    )
    assert callable(model.get_output_embeddings().weight)
    plain = model.generate(**batch_of(random_architecture(family), 2), **OPTIONS)
    length = batch_of(random_architecture(family), 2)["input_ids"].shape[1]
    for row, item in zip(plain[:, length:].tolist(), capture(family, model), strict=True):
        assert item.tokens == row[: len(item.tokens)]
        assert np.isfinite(item.extra["answer_margin"]).all()
        assert item.extra["answer_margin"][-1] > 0  # the answer's first token is the largest logit
        assert not {"margin_from_attention", "top_heads_map"} & item.extra.keys()
        assert item.missing["attribution"] == UNREADABLE
        missing = item.extra[KEY].missing
        assert missing["activation.answer"] == missing["activation.prompt"] == UNREADABLE
        record = record_of(item)
        undefined = {name for name, value in record.signals.items() if value is None}
        undefined -= {name for name in undefined if name.startswith("candidate_")}  # no yes or no
        assert undefined == {"spatial_entropy_top_heads", "cluster_count_top_heads"}
        assert {record.missing[name] for name in undefined} == {UNREADABLE}


def test_interventions_on_a_quantised_decoder():
    """An ablation before a quantised layer is one of the same layer unpacked."""
    found = []
    for kind in (Int8, Unpacked):
        model = replaced("llava", kind, PROJECTIONS)
        family, own = family_of(model.config), []
        units = torch.zeros(2, model.config.get_text_config().intermediate_size, dtype=torch.bool)
        units[1, ::2] = True

        def work(clean, answers, model=model, family=family, units=units, own=own):
            def edits(rows):
                fill = torch.zeros(len(rows), units.shape[1])
                return ablated_units(model, family, 3, "mlp", units[rows], fill=fill)

            state = clean.inputs[3].repeat_interleave(2, dim=0)
            own.extend(branch_answers(clean, 3, state, edits, answers))

        with torch.inference_mode(), capturing_attention(model):
            branched_generate(model, family, batch_of(random_architecture("llava"), 1), work,
                              keep=[3], **OPTIONS)  # fmt: skip
        found.append(own)
    for ours, plain in zip(*found, strict=True):
        assert ours.tokens == plain.tokens
        assert ours.clean_logprobs == pytest.approx(plain.clean_logprobs, abs=1e-4)


class Marked(nn.Parameter):
    """A parameter class of a quantising library."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_only_weights_that_are_what_is_multiplied_by_are_read(dtype):
    layer = nn.Linear(4, 3).to(dtype)
    assert plain_weight(layer) is layer.weight
    for weight in (
        Marked(layer.weight.detach()),
        nn.Parameter(layer.weight.detach().to(torch.float8_e4m3fn), requires_grad=False),
        nn.Parameter(torch.zeros(6, 1, dtype=torch.uint8), requires_grad=False),
    ):
        other = nn.Linear(4, 3)
        other.weight = weight
        assert plain_weight(other) is None
    assert plain_weight(nn.Identity()) is None
