"""Judged answers: the relative score, failures without a label, and no judge at all."""

import socket
from types import SimpleNamespace

import pytest

from metrics.errors import UndefinedMetricError
from tests.vrp_tasks.helpers.judge_server import judge
from vrp_tasks.attach.results import unlabelled
from vrp_tasks.errors import SetupError
from vrp_tasks.tasks.published.judge import check_judge, process_results, relative_score


def review(scores, said="8 6\nGood."):
    return {"gpt_eval_llava_all": {"scores": scores, "review": said}}


@pytest.mark.parametrize(
    ("scores", "relative"), [([8.0, 6.0], 0.75), ([5.0, 9.0], 1.0), ([10.0, 0.0], 0.0)]
)
def test_the_relative_score_is_own_over_reference(scores, relative):
    assert relative_score({}, "", review(scores)) == relative


def test_an_answer_the_judge_did_not_score_has_no_label_instead_of_a_bad_one():
    with pytest.raises(UndefinedMetricError, match="the judge gave no scores: 'error: 500'"):
        relative_score({}, "", review([-1, -1], "error: 500"))


@pytest.fixture
def environment(monkeypatch):
    for name in ("API_TYPE", "OPENAI_API_KEY", "OPENAI_API_URL", "MODEL_VERSION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_no_key_is_one_clear_line(environment):
    with pytest.raises(SetupError, match="vrp_llava_bench is labelled by a judge") as error:
        check_judge("vrp_llava_bench")
    assert "OPENAI_API_KEY" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_server_is_one_clear_line(environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    environment.setenv("OPENAI_API_KEY", "any")
    environment.setenv("OPENAI_API_URL", address)
    with pytest.raises(SetupError, match=f"nobody answers at {address}") as error:
        check_judge("vrp_llava_bench")
    assert "\n" not in str(error.value)


def test_an_unknown_judge_is_named(environment):
    environment.setenv("API_TYPE", "oracle")
    with pytest.raises(SetupError, match="the oracle one cannot be used"):
        check_judge("vrp_llava_bench")


def test_a_server_that_listens_passes(environment):
    with judge(lambda _: "8 6") as (address, asked):
        environment.setenv("OPENAI_API_KEY", "any")
        environment.setenv("OPENAI_API_URL", address)
        check_judge("vrp_llava_bench")
    assert asked == []


def test_an_answer_is_judged_once_and_a_failure_again(environment):
    doc = {"question_id": "1", "question": "What is it?", "category": "conv", "answer": "A cat."}
    with judge(lambda prompt: 400 if "dog" in prompt else "8 6") as (address, asked):
        environment.setenv("OPENAI_API_KEY", "any")
        environment.setenv("OPENAI_API_URL", address)
        for _ in range(2):
            assert relative_score({}, "", process_results(dict(doc), ["A tiger."])) == 0.75
        assert len(asked) == 1
        assert process_results(doc, ["A dog."])["gpt_eval_llava_all"]["scores"] == [-1, -1]
        failed = len(asked)
        process_results(doc, ["A dog."])
        assert len(asked) == 2 * failed - 1 > 2
    with judge(lambda _: "8 2") as (address, asked):
        environment.setenv("OPENAI_API_URL", address)
        assert relative_score({}, "", process_results(doc, ["A tiger."])) == 0.25


def test_the_run_says_how_many_answers_have_no_label():
    def record(correct, **missing):
        return SimpleNamespace(correct=correct, missing=missing)

    failed, odd = record(None, score="the judge failed"), record(None, score="no number")
    assert unlabelled([record(1), record(0)]) is None
    assert unlabelled([record(1), failed]) == "1 of 2 answers have no label: the judge failed"
    assert unlabelled([failed, odd, failed, record(1)]) == (
        "3 of 4 answers have no label: the judge failed (2 of them)"
    )
