"""How many of lmms-eval's own image tasks reliability attaches to, and that scores are theirs."""

from collections import Counter

import lmms_eval.evaluator  # noqa: F401 - installs our hooks
import pytest
from lmms_eval.tasks import TaskManager

from tests.vrp_tasks.helpers.stock_tasks import recorded, survey

TEN = ["dog"] * 4 + ["cat"] * 6
LETTERS = "Which?\nA. dog\nB. cat"
# task -> document with the columns its scorer reads, then answer -> score worked out by hand
SAMPLES = {
    "vqav2_val": (
        {"answers": [{"answer": a, "answer_confidence": "yes", "answer_id": i} for i, a in
                     enumerate(TEN)], "question_id": 1, "question_type": "", "answer_type": ""},
        # of ten choices of nine annotators, four leave three dogs out of four, six all four
        {"dog": 1.0, "bird": 0.0},
    ),
    "textvqa_val": (
        {"answers": ["dog"] * 2 + ["cat"] * 8, "question_id": 1},
        # leaving one "dog" out: 1/3, twice; leaving one "cat" out: 2/3, eight times
        {"dog": (2 * 1 / 3 + 8 * 2 / 3) / 10, "cat": 1.0},
    ),
    "gqa": ({"answer": "dog"}, {"dog": 1.0, "Dog.": 1.0, "cat": 0.0}),
    "docvqa_val": ({"answers": ["dog", "a dog"]}, {"dog": 1.0, "dig": 1 - 1 / 3, "elephant": 0.0}),
    "ai2d": (
        {"answer": "1", "options": ["dog", "cat"], "question": "Which?"},
        {"B.": 1.0, "B. cat": 1.0, "A.": 0.0},
    ),
    "scienceqa_img": ({"answer": 1, "choices": ["dog", "cat"]}, {"B": 1.0, "B. cat": 1.0, "A": 0}),
    "realworldqa": ({"answer": "B", "question": LETTERS}, {"B": 1.0, "A": 0.0}),
    "chartqa": ({"answer": "20", "type": "human_test"}, {"20.5": 1.0, "22": 0.0}),
    "ocrbench": (
        {"answer": ["dog"], "dataset": "X", "question_type": "t"}, {"a dog": 1.0, "cat": 0.0}
    ),
    "pope": ({"answer": "yes", "question_id": 1}, {"yes": 1.0, "no": 0.0, "yes.": 0.0}),
    "mme": (
        {"answer": "Yes", "question_id": "a", "category": "existence", "question": "?"},
        {"yes": 1.0, "no": 0.0},
    ),
    "blink_counting": (
        {"answer": "(B)", "choices": ["1", "2"], "idx": 1, "sub_task": "Counting"},
        {"(B)": 1.0, "(A)": 0.0},
    ),
    "countbench": ({"number": 3, "answer": 3}, {"3": 1.0, "4": 0.0}),
    "mtvqa": ({"answer": "dog", "category": "x"}, {"a dog": 1.0, "cat": 0.0}),
    "mmstar": (
        {"answer": "B", "category": "math", "l2_category": "x", "index": 1}, {"B": 1.0, "A": 0.0}
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def manager():
    return TaskManager(include_defaults=False)


@pytest.mark.parametrize("task", SAMPLES)
def test_scores_of_stock_scorers_are_read_as_they_are(task, manager):
    doc, expected = SAMPLES[task]
    manager.match_tasks([f"vrp_{task}"])
    scorer = manager._get_config(f"vrp_{task}")["process_results"]
    for answer, score in expected.items():
        item = scorer(dict(doc), [answer])["accuracy"]
        assert item["score"] == pytest.approx(score), answer
        assert item["correct"] == int(score >= 0.5)


@pytest.mark.slow
def test_reliability_attaches_to_the_image_tasks_of_lmms_eval():
    found, known = survey(), recorded()
    # which modules load depends on what is installed; everything else does not
    here = {task: how for task, how in found.items() if how[0] != "load"}
    assert {t: how for t, how in here.items() if t in known and known[t][0] != "load"} == {
        t: how for t, how in known.items() if how[0] != "load" and t in here
    }
    counts = Counter(how for how, _ in here.values())
    assert counts["name"] >= 230  # `--tasks vrp_<task>` is enough
    assert counts["none"] >= 20  # splits without answers: signals only
    assert counts["key"] >= 180  # with the key of the score
    reasons = {what for how, what in here.values() if how == "other"}
    assert reasons == {
        "its doc_to_visual returns video, audio or nothing",
        "mme_sci returns no 'mmesci'. Keys: target; sample_id.",
        "mme_sci_image returns no 'mmesci'. Keys: target; sample_id.",
    }
