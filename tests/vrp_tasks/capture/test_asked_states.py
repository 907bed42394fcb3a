"""Neurons' contributions and pushed states, from the stock model's own modules in float64.

Eager, one prompt at a time; slopes by automatic differentiation, figures by torch's own functions.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from metrics.record.channels import NeuronContributions, PerturbedState
from metrics.states.perturbed_state import FEATURES
from tests.vrp_tasks.capture.test_kept_channels import CASES, end_of, forced, stock
from tests.vrp_tasks.helpers.random_models import QUESTIONS, batch_of, random_architecture
from vrp_tasks.capture import CaptureSettings, probed_generate
from vrp_tasks.capture.attention import capturing_attention
from vrp_tasks.capture.extras import further_of
from vrp_tasks.capture.neurons import projection_of
from vrp_tasks.families import family_of

ASKED = CaptureSettings(k=3, extra=("neurons", "ccps"))


@cache
def captured(family):
    architecture = random_architecture(family, spread=0.2)
    with capturing_attention(architecture.model), torch.inference_mode():
        _, items = probed_generate(
            architecture.model,
            family_of(architecture.model.config),
            batch_of(architecture),
            identities=[f"t/{i}" for i in range(len(QUESTIONS))],
            settings=ASKED,
            do_sample=False,
            max_new_tokens=4,
            eos_token_id=end_of(family),
        )
    return items


@pytest.mark.parametrize(("family", "index"), CASES)
def test_each_neurons_share_of_what_its_layer_writes(family, index):
    item = captured(family)[index]
    layers, hooks = stock(family).model.language_model.layers, []
    steps = [[] for _ in layers]

    def keep(step):
        def hook(module, args, _output):
            written = [a * w for a, w in zip(args[0][0, -1], module.weight.T, strict=True)]
            together = torch.stack(written).sum(dim=0).norm()
            step.append([float(own.norm() / together) for own in written])

        return hook

    for layer, step in zip(layers, steps, strict=True):
        hooks.append(layer.mlp.down_proj.register_forward_hook(keep(step)))
    forced.__wrapped__(family, index, tuple(item.tokens))
    for own in hooks:
        own.remove()
    expected = [np.mean(step[1:], axis=0) for step in steps]  # the first reads the prompt
    found = item.further[NeuronContributions.name].by_layer
    np.testing.assert_allclose(found, expected, rtol=4e-3, atol=1e-4)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_features_of_pushed_states(family, index):
    item, head = captured(family)[index], stock(family).get_output_embeddings()
    out = forced(family, index, tuple(item.tokens))
    kept = item.further[PerturbedState.name].by_token
    assert kept.shape == (len(item.tokens), 75) == (len(item.tokens), len(FEATURES))
    for step, token in enumerate(item.tokens):
        h = out.hidden_states[step][-1][0, -1].clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(-head(h).log_softmax(-1)[token], h)
        with torch.no_grad():
            expected = published(head, h.detach(), slope, token)
        np.testing.assert_allclose(kept[step], expected, rtol=5e-3, atol=2e-3)


def published(head, h, slope, token):
    """The published code's figures in its order; a radius for infinity, and a symmetric JS."""
    z = head(h)
    p, logp = z.softmax(-1), z.log_softmax(-1)
    top, top_p = z.topk(2).values, p.topk(2).values
    rows, radius, lost = [], 24.0, [0.0]
    for step in range(1, 6):
        pushed = h + 4.0 * step * slope / slope.norm()
        own = head(pushed)
        q, logq = own.softmax(-1), own.log_softmax(-1)
        two, mixture = own.topk(2).values, (p + q) / 2
        flipped = float(own.argmax() != z.argmax())
        radius = min(radius, 4.0 * step) if flipped else radius
        lost.append(max(0.0, float(logp[token] - logq[token])))
        kl = functional.kl_div(logq, p, reduction="sum")
        js = [functional.kl_div(mixture.log(), x, reduction="sum") for x in (p, q)]
        rows.append([
            logq[token], q[token], own[token], logp[token] - logq[token], q.max(), two[0],
            flipped, torch.distributions.Categorical(q).entropy(), two[0] - two[1], own.norm(),
            kl, sum(js) / 2, functional.cosine_similarity(z, own, dim=0),
            functional.cosine_similarity(h, pushed, dim=0), (pushed - h).norm(),
        ])  # fmt: skip
    columns = np.array(rows, float).T
    summaries = [f for own in columns for f in (own.min(), own.max(), own.mean(), own.std())]
    first = [
        logp[token], p[token], z[token], top_p[0], top[0],
        torch.distributions.Categorical(p).entropy(), top[0] - top[1], top_p[0] - top_p[1],
        z.norm(), z.std(), h.norm(), float(token == z.argmax()),
    ]  # fmt: skip
    energy = sum((a + b) / 2 for a, b in pairwise(lost)) / 5
    return [*map(float, first), float(slope.norm()), radius, energy, *summaries]


def test_what_was_not_asked_for_is_not_offered():
    item = captured("llava")[0]
    channels, absent = further_of(item, ASKED)
    assert {NeuronContributions.name, PerturbedState.name} <= channels.keys()
    _, absent = further_of(item, CaptureSettings())
    for channel in (NeuronContributions, PerturbedState):
        assert absent[channel.name].state == "not offered"
        assert "not asked for" in absent[channel.name].reason


def test_experts_have_no_one_layer_that_writes():
    narrow, wide = torch.nn.Linear(4, 8), torch.nn.Linear(8, 4)
    assert projection_of([None, torch.nn.Sequential(narrow, wide)], 4) is wide
    assert projection_of([torch.nn.ModuleList([wide, torch.nn.Linear(8, 4)])], 4) is None
    assert projection_of([torch.nn.LayerNorm(4), torch.nn.Sequential(narrow, wide)], 4) is wide
    assert projection_of([None], 4) is None
