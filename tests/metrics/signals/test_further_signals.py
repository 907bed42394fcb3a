"""Signals of passes that a run has to ask for, on numbers written by hand."""

import math

import numpy as np
import pytest

from metrics.record.channels import BY_NAME as CHANNEL
from metrics.record.channels import PERTURBATIONS
from metrics.record.observation import Absent, Observation
from metrics.signals import BOUNDS, BY_NAME
from tests.vrp_tasks.helpers.plain_further_signals import ASKED_FOR, CHANNELS, MATRICES


def observation(**channels):
    return Observation(
        task="t", split="s", doc_id="0", group="g", kind="all", prompt="?", answer="a", target=None,
        score=None, correct=None, normal_answer="a",
        channels={
            name: CHANNEL[name](**{field: np.array(own) for field, own in fields.items()})
            for name, fields in channels.items()
        },
    )  # fmt: skip


@pytest.mark.parametrize("name", ASKED_FOR)
def test_a_signal_is_its_formula(name):
    value = BY_NAME[name].of(observation(**CHANNELS, **MATRICES))
    assert value == pytest.approx(ASKED_FOR[name]())
    assert BOUNDS[name][0] <= value <= BOUNDS[name][1]


@pytest.mark.parametrize("name", ASKED_FOR)
def test_each_says_what_it_costs_and_is_nothing_without_its_channel(name):
    signal = BY_NAME[name]
    classes = {"bound": 0, "self-evaluation": 2, "meaning": 4}
    assert signal.cost_class == classes.get(signal.family, 3)
    assert signal.cost_class != 3 or signal.family in ("changed image", "changed question")
    assert isinstance(signal.of(observation()), Absent)


def test_what_was_not_tried_is_undefined_not_zero():
    nothing = {"perturbed": {"agrees": [math.nan] * len(PERTURBATIONS)}}
    for name in ("perturbation_agreement", "wrong_image_change", "perturbation_contrast"):
        assert BY_NAME[name].of(observation(**nothing)).state == "missing"
    neither = {"truth_asked": {"masses": [0.0, 0.0]}}
    assert BY_NAME["p_true_share"].of(observation(**neither)).reason == (
        "the model gives neither true nor false any probability"
    )
    assert BY_NAME["p_true"].of(observation(**neither)) == 0
