"""Which value becomes the score: the only one there is, the one that was asked for, or an error."""

import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.outputs import ANY, NUMBER, OTHER, Shape
from vrp_tasks.attach.score import ScoreRule, choose_score
from vrp_tasks.attach.settings import attach_settings
from vrp_tasks.errors import SetupError


def choose(outputs, metrics, **keys):
    settings = attach_settings("vrp_mine", {"base": "mine", **keys})
    listed = [m if isinstance(m, dict) else {"metric": m} for m in metrics]
    return choose_score("vrp_mine", settings, listed, outputs)


def mapping(source="", **fields):
    return Shape("mapping", {name: Shape(kind, source=source) for name, kind in fields.items()})


@pytest.mark.parametrize(
    ("outputs", "metrics", "keys", "field"),
    [
        ({"acc": NUMBER, "submission": OTHER}, ["acc", "submission"], ("acc",), None),
        ({"f1": NUMBER, "exact_match": NUMBER}, ["f1", "exact_match"], ("exact_match",), None),
        ({"my_acc": mapping(id="any", is_correct="number")}, ["my_acc"], ("my_acc",), "is_correct"),
        ({"my_acc": ANY}, ["my_acc"], ("my_acc",), None),
        ({}, ["my_acc"], ("my_acc",), None),
        (
            {"*": mapping("name x", score="number"), "all": mapping("name x", score="number")},
            ["math", "art", "all"],
            ("math", "art", "all"),
            "score",
        ),
    ],
)
def test_the_only_score_is_found(outputs, metrics, keys, field):
    assert choose(outputs, metrics) == ScoreRule(keys, field)


def test_a_task_that_only_hands_answers_over_has_no_labels():
    rule = choose({"submission": OTHER}, ["submission"])
    assert not rule.labelled
    with pytest.raises(UndefinedMetricError, match="no reference answers"):
        rule.read({}, "", {"submission": 1})


def test_an_error_count_is_no_score():
    metrics = [{"metric": "mae", "higher_is_better": False}, {"metric": "hit_rate"}]
    assert choose({"mae": NUMBER, "hit_rate": NUMBER}, metrics).keys == ("hit_rate",)


def test_two_different_scores_are_named_with_the_command_that_chooses():
    with pytest.raises(SetupError) as error:
        choose({"anls": NUMBER, "f1": NUMBER, "text": OTHER}, ["anls", "f1"])
    assert "mine scores answers in 2 ways. Keys: anls; f1; text." in str(error.value)
    assert "python -m vrp_tasks.attach mine --score KEY -o FOLDER" in str(error.value)


def test_answers_scored_in_aggregation_only_say_how():
    outputs = {"mmmu_acc": mapping(answer="any", parsed_pred="any")}
    with pytest.raises(SetupError, match=r"scores no single answer.*\(answer, parsed_pred\)"):
        choose(outputs, ["mmmu_acc"])
    with pytest.raises(SetupError, match="--score KEY --aggregate"):
        choose(outputs, ["mmmu_acc"])


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(SetupError, match=r"returns no 'acc'. Keys: accuracy."):
        choose({"accuracy": NUMBER}, ["accuracy"], score="acc")


def test_one_answer_is_scored_by_the_aggregation_of_the_base():
    def share_right(items):
        return sum(item["answer"] == item["pred"] for item in items) / len(items)

    metrics = [{"metric": "acc", "aggregation": share_right}]
    rule = choose({"acc": mapping(answer="any")}, metrics, score="acc", aggregate=True)
    assert rule.read({}, "b", {"acc": {"answer": "b", "pred": "b"}}) == 1.0
    assert rule.read({}, "a", {"acc": {"answer": "b", "pred": "a"}}) == 0.0


@pytest.mark.parametrize("value", [True, 1, 1.0, np.float32(1), {"score": 1}, {"is_correct": True}])
def test_numbers_in_every_form_are_read(value):
    assert ScoreRule(("acc",)).read({}, "", {"acc": value}) == 1.0


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ({"acc": 7.5}, r"the scorer's acc is 7.5, outside \[0, 1\]"),
        ({"acc": float("nan")}, r"outside \[0, 1\]"),
        ({"acc": "right"}, "no number but 'right'"),
        ({"acc": None}, "is empty"),
        ({"acc": np.zeros(2)}, "no single number"),
        ({"acc": {"answer": "a"}}, "has no score, only answer"),
        ({"f1": 1.0}, "returned no acc, only f1"),
    ],
)
def test_what_is_no_score_is_undefined_with_the_reason(results, reason):
    with pytest.raises(UndefinedMetricError, match=reason):
        ScoreRule(("acc",)).read({}, "", results)


def test_of_several_keys_the_one_that_is_there_counts():
    rule = choose({"*": mapping(score="number")}, ["p", "c"], score=["p", "c"], field="score")
    assert rule.read({}, "", {"c": {"score": 0.5}}) == 0.5


def test_a_function_of_the_task_scores(monkeypatch):
    rule = choose({}, ["acc"], score="tests.vrp_tasks.attach.test_score:half_of")
    assert rule.read({"factor": 0.5}, "x", {"acc": 1.0}) == 0.5


def half_of(doc, _answer, results):
    return doc["factor"] * results["acc"]
