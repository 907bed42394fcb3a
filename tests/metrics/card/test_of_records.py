"""One way from records to a card."""

import numpy as np
import pytest

from metrics.card.card import evaluate_card
from metrics.card.of_records import card_of_records
from metrics.core.seeds import rng_for
from metrics.record.columns import signal_columns
from metrics.record.records import SampleRecord


def record(doc, *, correct, value):
    return SampleRecord(
        task="t",
        split="test",
        doc_id=str(doc),
        group=f"image-{doc // 3}",
        kind="all",
        prompt=f"What is number {doc % 4}?",
        answer="yes",
        target="yes",
        score=float(correct),
        correct=correct,
        samples=["Yes.", "yes", "the No"],
        normal_answer="yes",
        normal_samples=["yes", "yes", "no"],
        signals={
            "token_confidence": value,
            "first_token_probability": (doc % 11) / 10,
            "self_consistency": 1.0 if doc % 5 else 2 / 3,
        },
        layers={},
        missing={} if value is not None else {"token_confidence": "the answer is empty"},
        grid=None,
        n_answer_tokens=1,
        shard=None,
        row=None,
    )


def records():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=90)
    return [
        record(i, correct=int(y), value=None if i == 4 else float(-np.exp(-y - rng.normal())))
        for i, y in enumerate(labels)
    ]


def test_figures_are_those_of_evaluate_card():
    rows = records()
    card = card_of_records(rows, invalid={})
    values = [np.nan if (v := r.signals["token_confidence"]) is None else v for r in rows]
    expected = evaluate_card(
        correct=np.array([float(r.correct) for r in rows]),
        groups=[r.group for r in rows],
        kinds=["all"] * 90,
        signals={
            "token_confidence": np.array(values),
            "first_token_probability": np.arange(90) % 11 / 10,
            "self_consistency": np.where(np.arange(90) % 5, 1.0, 2 / 3),
        },
        answers=["yes"] * 90,
        prompts=[r.prompt for r in rows],
        samples=[["yes", "yes", "no"]] * 90,
        probabilities={"first_token_probability": np.arange(90) % 11 / 10},
        rng=rng_for("t"),
    )
    assert card == expected
    assert card.signals[0].n_missing == 1
    assert card.signals[-1].name == "question_only"
    assert [p.name for p in card.probabilities if p.method == "as stated"] == [
        "first_token_probability"
    ]


def test_another_form_of_answers_in_the_benchmark_is_counted():
    # recorded S_SC is 1 on four of five questions, where normalised samples give 2/3
    consistency = card_of_records(records(), invalid={}).consistency
    assert (consistency.n_differ, consistency.n_full) == (72, 72)


def test_an_invalid_signal_is_no_stated_probability():
    rejected = {"first_token_probability": "no hook fired"}
    card = card_of_records(records(), invalid=rejected)
    assert all(p.method != "as stated" for p in card.probabilities)


def test_a_missing_value_is_nan_in_the_column():
    column = signal_columns(records())["token_confidence"]
    assert np.flatnonzero(np.isnan(column)).tolist() == [4]


def test_no_records_is_an_error():
    with pytest.raises(ValueError, match="`records` must not be empty"):
        card_of_records([], invalid={})
