"""Consistency signals of one answer, as they enter the record."""

import pytest

from metrics.answers.normal_form import normalize_answer
from metrics.record.channels import Samples
from metrics.record.observation import Observation
from metrics.signals.recording import record_of

CONSISTENCY = (
    "self_consistency", "answer_agreement", "pairwise_agreement", "distinct_answers",
    "semantic_entropy",
)  # fmt: skip


def record(answer, samples):
    normal = [normalize_answer(sample) for sample in samples]
    channel = Samples.of(samples, normal, normalize_answer(answer))
    observation = Observation(
        task="options", split="test", doc_id="0", group="image", kind="all", prompt="?",
        answer=answer, target="A", score=float(answer == "A"), correct=int(answer == "A"),
        normal_answer=normalize_answer(answer), channels={"samples": channel},
    )  # fmt: skip
    return record_of(observation, shard=None, row=None)


def test_option_a_is_an_answer():
    found = record("A", ["A", "a.", "B", ""])
    assert found.signals["answer_agreement"] == 2 / 4
    assert found.signals["self_consistency"] == 2 / 4
    assert found.signals["distinct_answers"] == -3


@pytest.mark.parametrize("answer", ["", "A"])
def test_silence_is_no_agreement(answer):
    found = record(answer, ["", " ", "."])
    for name in CONSISTENCY:
        assert found.signals[name] is None
        assert found.missing[name] == "all 3 sampled answers are empty"


def test_a_silent_answer_has_no_agreement_but_its_samples_have():
    found = record("", ["B", "B", ""])
    assert found.signals["answer_agreement"] is None
    assert "scored answer is empty" in found.missing["answer_agreement"]
    assert found.signals["self_consistency"] == 2 / 3
