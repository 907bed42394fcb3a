"""Consistency signals of one answer, as they enter the record."""

import json

import pytest

from metrics.answers import normalize_answer
from vrp_tasks.scoring import reliability_results

CONSISTENCY = (
    "self_consistency", "answer_agreement", "pairwise_agreement", "distinct_answers",
    "semantic_entropy",
)  # fmt: skip


def record(answer, samples):
    payload = {
        "signals": {}, "missing": {}, "samples": samples, "layers": {}, "grid": None,
        "n_answer_tokens": 1, "shard": None, "row": None,
    }  # fmt: skip
    return reliability_results(
        [answer, json.dumps(payload)],
        task="options", score=lambda text: float(text == "A"), normalize=normalize_answer,
        doc_id="0", group="image", kind="all", target="A",
    )["accuracy"]  # fmt: skip


def test_option_a_is_an_answer():
    found = record("A", ["A", "a.", "B", ""])
    assert found["signals"]["answer_agreement"] == 2 / 4
    assert found["signals"]["self_consistency"] == 2 / 4
    assert found["signals"]["distinct_answers"] == -3


@pytest.mark.parametrize("answer", ["", "A"])
def test_silence_is_no_agreement(answer):
    found = record(answer, ["", " ", "."])
    for name in CONSISTENCY:
        assert found["signals"][name] is None
        assert found["missing"][name] == "all 3 sampled answers are empty"


def test_a_silent_answer_has_no_agreement_but_its_samples_have():
    found = record("", ["B", "B", ""])
    assert found["signals"]["answer_agreement"] is None
    assert "scored answer is empty" in found["missing"]["answer_agreement"]
    assert found["signals"]["self_consistency"] == 2 / 3
