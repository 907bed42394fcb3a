"""A given answer, scored by the model's own `generate`, against one pass over it."""

import numpy as np
import pytest
import torch

from tests.vrp_tasks.helpers import zoo
from tests.vrp_tasks.helpers.zoo.reference import with_answer
from vrp_tasks.capture.forced import generate_and_score

OPTIONS = {"do_sample": False, "max_new_tokens": 3}
OTHER = [[57, 61, 63], [58, 59]]  # no answers that the models give


# Janus' own generate drops the logits processors that it is given
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=() if n in ("janus", "internvl") else pytest.mark.families)
        for n in zoo.NAMES
    ],
)
@torch.inference_mode()
def test_what_the_model_would_not_say_is_scored_too(name):
    own = zoo.built(name)
    inputs = zoo.prompts(own)
    sequences, found = generate_and_score(own.model, inputs, OPTIONS, OTHER)
    assert torch.equal(sequences, own.model.generate(**inputs, **OPTIONS))
    length = inputs["input_ids"].shape[1]
    told = torch.tensor([[*row, 57, 57][:4] for row in OTHER])
    grown = with_answer(
        inputs, torch.cat([inputs["input_ids"], told], dim=1), is_prefix_lm=name == "paligemma2"
    )
    logprobs = own.model(**grown, use_cache=False).logits.float().log_softmax(dim=-1)
    for row, tokens in enumerate(OTHER):
        own_steps = [float(logprobs[row, length - 1 + i, token]) for i, token in enumerate(tokens)]
        assert found[row] == pytest.approx(np.mean(own_steps), abs=2e-3)


def test_a_model_that_takes_no_tokens_from_outside_scores_none(monkeypatch):
    own = zoo.built("internvl")
    inputs, generate = zoo.prompts(own), type(own.model).generate

    def deaf(self, *args, logits_processor=None, prefix_allowed_tokens_fn=None, **options):
        return generate(self, *args, **options)

    monkeypatch.setattr(type(own.model), "generate", deaf)
    with torch.inference_mode():
        _, found = generate_and_score(own.model, inputs, OPTIONS, OTHER)
    assert found == [None, None]
