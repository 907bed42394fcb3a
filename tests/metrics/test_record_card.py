"""One way from records to a card."""

import numpy as np
import pytest

from metrics.card import evaluate_card
from metrics.record_card import card_of_records, rng_for, signal_columns
from metrics.records import SampleRecord


def record(doc, *, correct, value):
    return SampleRecord(
        task="t",
        split="test",
        doc_id=str(doc),
        group=f"image-{doc // 3}",
        kind="all",
        prompt="?",
        answer="yes",
        target="yes",
        score=float(correct),
        correct=correct,
        samples=[],
        signals={"token_confidence": value},
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
        record(i, correct=int(y), value=None if i == 4 else float(y + rng.normal()))
        for i, y in enumerate(labels)
    ]


def test_figures_are_those_of_evaluate_card():
    rows = records()
    card = card_of_records(rows, invalid={}, n_resamples=50)
    values = [np.nan if (v := r.signals["token_confidence"]) is None else v for r in rows]
    expected = evaluate_card(
        correct=np.array([float(r.correct) for r in rows]),
        groups=[r.group for r in rows],
        kinds=["all"] * 90,
        signals={"token_confidence": np.array(values)},
        answers=["yes"] * 90,
        rng=rng_for("t"),
        n_resamples=50,
    )
    assert card == expected
    assert card.signals[0].n_missing == 1


def test_a_missing_value_is_nan_in_the_column():
    column = signal_columns(records())["token_confidence"]
    assert np.flatnonzero(np.isnan(column)).tolist() == [4]


def test_no_records_is_an_error():
    with pytest.raises(ValueError, match="`records` must not be empty"):
        card_of_records([], invalid={})
