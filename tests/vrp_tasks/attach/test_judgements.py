"""What scorers said comes back as it was handed over, however little of it is held."""

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.attach.judgements import Judgements
from vrp_tasks.place import Place


def judgement(i, **changes):
    own = {"exact_match": float(i % 2), "flag": i % 2 == 0} if i % 3 else {}
    found = Judgement(
        place=Place("t" if i % 4 else "u", "test", str(i)), answer=f"yes {i % 5}",
        score=None if i % 7 == 0 else i % 2 / 2, reason="why" if i % 7 == 0 else None,
        correct=None if i % 7 == 0 else i % 2, group=f"image-{i // 6}", kind="all", target=None,
        normalize=str.lower, own=own,
    )  # fmt: skip
    return replace(found, **changes)


def test_each_comes_back_and_the_latest_of_a_document_counts():
    every = [judgement(i) for i in range(50)]
    found = Judgements()
    for own in every:
        found.add(own)
    assert [found.get(own.place) for own in every] == every
    assert list(found.of_task("t")) == [own for own in every if own.place.task == "t"]
    assert found.get(Place("t", "validation", "1")) is None
    anew = judgement(9, answer="no", score=1.0)
    found.add(anew)
    assert found.get(anew.place) == anew
    assert len(list(found.of_task("t"))) == sum(own.place.task == "t" for own in every)


def test_what_is_equal_and_of_another_type_or_cannot_be_hashed_is_not_mixed_up():
    odd = [
        judgement(1, own={"n": 1}),
        judgement(2, own={"n": True}),
        judgement(3, own={"n": 1.0}),
        judgement(5, own={"n": [1, 2]}),
        judgement(8, own={"n": -0.0}),
        judgement(9, own={"n": 0.0}),
        judgement(10, own={"n": (1,)}),
        judgement(11, own={"n": (True,)}),
        judgement(6, labels=SimpleNamespace(parser=1)),
        judgement(7, own={}, labels=[1]),
    ]
    found = Judgements()
    for own in odd:
        found.add(own)
    assert [repr(found.get(own.place)) for own in odd] == [repr(own) for own in odd]


def test_they_are_small():
    found = Judgements()
    for i in range(100):
        found.add(judgement(i))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(100, 4100):
        found.add(judgement(i))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown / 4000 < 300  # bytes; as objects they take 700
