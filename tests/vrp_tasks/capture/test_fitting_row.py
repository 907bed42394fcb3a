"""Which rule makes a row: the one expected of a layer, or else the one that it followed."""

import pytest
import torch
from transformers.models.gemma2 import modeling_gemma2

from tests.vrp_tasks.helpers import zoo
from vrp_tasks.access import tried
from vrp_tasks.capture.attention import Attended, attention_of, capturing_attention
from vrp_tasks.capture.proof import Proof
from vrp_tasks.capture.rows import MISFIT, fitting_row
from vrp_tasks.families import Found
from vrp_tasks.families.anatomy import find_body

SCALE, CAP = 0.5, 2.0


def attended(*, by_cap):
    """One query of a module that asks for a cap, attended with it or without."""
    generator = torch.Generator().manual_seed(0)
    query = 4 * torch.randn(2, 3, 1, 8, generator=generator)
    key, value = (torch.randn(2, 3, 5, 8, generator=generator) for _ in range(2))
    scores = SCALE * query @ key.transpose(-1, -2)
    if by_cap:
        scores = CAP * torch.tanh(scores / CAP)
    rows = scores.softmax(dim=-1)
    module = torch.nn.Module()
    module.num_key_value_groups = 1
    output = (rows @ value).transpose(1, 2)
    options = {"softcap": CAP}
    return rows, Attended(0, query, key, value, None, SCALE, output, module, options)


@pytest.mark.parametrize("by_cap", [True, False])
def test_a_cap_is_in_the_row_where_it_was_in_the_layer(by_cap, monkeypatch):
    rows, last = attended(by_cap=by_cap)
    eager = modeling_gemma2.eager_attention_forward
    monkeypatch.setattr("vrp_tasks.capture.rows.own_eager", lambda module: eager)
    (row, wrong), is_own = fitting_row(last)
    torch.testing.assert_close(row, rows[:, :, 0])
    assert bool((wrong <= MISFIT).all())
    assert is_own == by_cap


def test_a_row_that_neither_rule_makes_is_the_expected_ones_and_says_so(monkeypatch):
    _, last = attended(by_cap=True)
    last.output.add_(1.0)
    eager = modeling_gemma2.eager_attention_forward
    monkeypatch.setattr("vrp_tasks.capture.rows.own_eager", lambda module: eager)
    (_, wrong), is_own = fitting_row(last)
    assert is_own
    assert bool((wrong > MISFIT).all())


def test_a_capped_decoder_runs_as_it_was_loaded_where_sdpa_drops_the_cap(monkeypatch):
    own = zoo.built("paligemma2")
    body = find_body(own.model)
    monkeypatch.setattr(type(body.module), "_supports_sdpa", True)  # as before 5.21
    assert attention_of(own.model) == "eager"
    with capturing_attention(own.model):
        assert attention_of(own.model) == "eager"
    told = []
    monkeypatch.setattr(tried.logger, "warning", told.append)
    monkeypatch.setattr(body.config, "_attn_implementation_internal", "sdpa")
    assert attention_of(own.model) == "sdpa"
    monkeypatch.setattr(tried, "proof_of", lambda *_: Proof({}, {}))
    tried.tried(own.model, Found(own.model), own.processor)
    assert "without the cap of its attention scores" in told[0]
