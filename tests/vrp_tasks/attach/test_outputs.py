"""What can be told of a scorer's results from its source."""

from functools import partial

import pytest

from vrp_tasks.attach.outputs import outputs_of

KEY = "from_a_constant"


def plain(doc, results):
    score = 1.0 if results[0] == doc["answer"] else 0.0
    return {"exact_match": score, "submission": {"id": doc["id"], "answer": results[0].strip()}}


def by_category(doc, results):
    value = {"id": doc["id"], "is_correct": results[0] == doc["answer"]}
    return {doc["category"]: value, "average": value}


def alternative(doc, results):
    key = "perception" if doc["kind"] == "p" else "cognition"
    return {key: {"score": float(results[0] == "yes")}}


def assigned(doc, results):
    out = {}
    out["acc"] = _right(results[0], doc)
    out[KEY] = len(results)
    return out


def _right(answer, doc):
    if not answer:
        return False
    return answer in doc["answers"]


def delegated(doc, results, extra=None):
    return plain(doc, results)


def contradictory(doc, results):
    if doc["answer"] is None:
        return {"score": "none"}
    return {"score": 1.0}


def unreadable(doc, results):
    return doc["scorer"](results)


def kinds(scorer):
    return {name: shape.kind for name, shape in outputs_of(scorer).items()}


def test_numbers_and_mappings_are_told_apart():
    found = outputs_of(plain)
    assert kinds(plain) == {"exact_match": "number", "submission": "mapping"}
    assert found["submission"].fields["answer"].kind == "other"


def test_a_computed_key_leaves_what_is_known_of_its_value():
    found = outputs_of(by_category)
    assert set(found) == {"*", "average"}
    assert found["*"].fields["is_correct"].kind == "number"
    assert found["*"].fields["is_correct"].source == found["average"].fields["is_correct"].source


def test_a_key_that_is_one_of_two_names_is_both():
    assert set(outputs_of(alternative)) == {"perception", "cognition"}


def test_values_put_in_one_by_one_and_through_other_functions():
    assert kinds(assigned) == {"acc": "number", "from_a_constant": "number"}
    assert kinds(partial(delegated, extra=1)) == kinds(plain)


def test_what_differs_between_returns_is_unknown():
    assert kinds(contradictory) == {"score": "any"}


@pytest.mark.parametrize("scorer", [unreadable, len, None])
def test_nothing_is_claimed_of_what_cannot_be_read(scorer):
    assert outputs_of(scorer) == {}
