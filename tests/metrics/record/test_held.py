"""Held records equal the plain ones, and what is made of all equals what is made of each."""

import pickle
from dataclasses import asdict

import numpy as np
import pytest

from metrics.record.columns import labelled_of, names_of, signal_columns, values_of
from metrics.record.held import HeldRecords
from metrics.record.joined import Joined
from metrics.record.records import SampleRecord

N = 60


def record(i, **changes):
    """Records that differ in which signals, layers and reasons they have, and in their order."""
    signals = {"a": i / 3, "b": None if i % 3 else 0.5}
    if i % 2:
        signals = {"c": None if i % 4 == 1 else -0.0, **signals}
    missing = {"b": "no b", "c": f"no c, {i % 5}"} | ({"capture": "it fell"} if i % 7 == 0 else {})
    values = {
        "task": "t", "split": "s", "doc_id": str(i), "group": f"image-{i // 6}", "kind": "k",
        "prompt": "is it \u00e4\ud800 or \U0001f600?"[: i % 11], "answer": f"yes {i % 3}",
        "target": None if i % 5 == 0 else "no", "score": None if i % 5 == 0 else float(i % 2),
        "correct": None if i % 5 == 0 else i % 2, "samples": ["a", "b", ""][: i % 4],
        "normal_answer": "yes", "normal_samples": ["x", "x", "y"][: i % 4], "signals": signals,
        "layers": {"l": [0.1 * i] * (i % 4), "m": None} if i % 3 else {}, "missing": missing,
        "grid": [3, i] if i % 2 else None, "n_answer_tokens": i or None,
        "shard": f"arrays-{i // 20}" if i % 4 else None, "row": i % 20 if i % 4 else None,
        "image": f"hash {i // 6}" if i % 2 else None,
    }  # fmt: skip
    return SampleRecord(**{**values, **changes})


PLAIN = [record(i) for i in range(N)]
ORDER = [7, 3, 50, 0, 21, 22]


# all of them, and some in another order, as plain and as held records
VIEWS = (
    (PLAIN, HeldRecords(PLAIN)),
    ([PLAIN[i] for i in ORDER], HeldRecords(PLAIN).take(ORDER)),
)


@pytest.mark.parametrize(("plain", "held"), VIEWS)
def test_they_are_the_same_records(plain, held):
    assert held == plain
    assert plain == held
    assert [own.to_row() for own in held] == [own.to_row() for own in plain]
    assert [list(own.signals) for own in held] == [list(own.signals) for own in plain]
    assert held[-2] == plain[-2]
    assert held[1:4] == plain[1:4]
    assert held != [*plain[:-1], record(N)]
    with pytest.raises(IndexError):
        held[len(plain)]
    with pytest.raises(KeyError):
        held[0].signals["d"]


@pytest.mark.parametrize(("plain", "held"), VIEWS)
def test_a_copy_of_one_is_itself_alone(plain, held):
    for copied in (pickle.loads(pickle.dumps(held[2])), SampleRecord(**asdict(held[2]))):
        assert copied == plain[2]
        assert type(copied.signals) is dict


@pytest.mark.parametrize(("plain", "held"), VIEWS)
def test_columns_are_those_of_the_records(plain, held):
    for name in ("task", "doc_id", "prompt", "correct", "samples", "grid", "missing", "row"):
        assert values_of(held, name) == [getattr(own, name) for own in plain]
    assert set(names_of(held)) == set(names_of(plain))
    expected = signal_columns(plain)
    for name, values in signal_columns(held).items():
        assert values.tolist() == pytest.approx(expected[name].tolist(), abs=0, nan_ok=True)
    vectors = [None if own is None else list(own) for own in held.layer("l")]
    assert vectors == [own.layers.get("l") for own in plain]
    assert labelled_of(held) == [own for own in plain if own.correct is not None]


@pytest.mark.parametrize(("plain", "held"), VIEWS)
def test_taking_signals_away_is_that_of_each_record(plain, held):
    assert held.without_signals({"b"}) == [own.without_signals({"b"}) for own in plain]
    assert held == plain


@pytest.mark.parametrize(("plain", "held"), VIEWS)
def test_columns_that_are_added_are_those_added_to_each_record(plain, held):
    rng = np.random.default_rng(0)
    columns = {n: np.where(rng.random(len(plain)) < 0.5, np.nan, 1.5) for n in ("b", "new")}
    which = {name: rng.integers(0, 2, len(plain)) for name in columns}
    reasons = {name: (["why", "why not"], which[name]) for name in columns}
    expected = [
        own.with_signals(
            {n: None if np.isnan(v[i]) else float(v[i]) for n, v in columns.items()},
            {n: reasons[n][0][which[n][i]] for n, v in columns.items() if np.isnan(v[i])},
        )
        for i, own in enumerate(plain)
    ]
    assert held.with_columns(columns, reasons) == expected
    assert held == plain


def test_every_record_gets_the_names_of_all():
    whole = record(0, signals={"a": 1.0, "b": 0.5}, missing={}, layers={"l": [1.0]})
    bare = record(1, signals={}, missing={"capture": "it broke", "b": "one class"}, layers={})
    first, second = HeldRecords([whole, bare]).with_same_names()
    assert first == whole
    assert second.signals == {"a": None, "b": None}
    assert second.missing == bare.missing | {"a": "it broke"}
    assert second.layers == {"l": None}


def test_joined_records_stand_one_after_another_or_in_an_order_of_their_own():
    parts = [HeldRecords(PLAIN[:20]), HeldRecords(), HeldRecords(PLAIN[20:])]
    assert list(Joined(parts)) == PLAIN
    assert [Joined(parts)[i] for i in (0, 19, 20, -1)] == [PLAIN[i] for i in (0, 19, 20, -1)]
    order = np.random.default_rng(1).permutation(N)
    mixed = Joined(parts, order)
    assert list(mixed) == [PLAIN[i] for i in order]
    assert values_of(mixed, "doc_id") == [PLAIN[i].doc_id for i in order]
    assert len(mixed) == N
    assert set(mixed.signal_names()) == {"a", "b", "c"}
    assert mixed.layer_names() == ["l", "m"]
