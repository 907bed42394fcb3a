"""Labels beside the stock one: counted, and chosen by a setting."""

import json

import pytest

from metrics.errors import UndefinedMetricError
from vrp_tasks.attach.labels import (
    LabelFile,
    label_answer,
    score_by,
    sentence,
    summarise_labels,
)
from vrp_tasks.errors import SetupError

IMAGE = "COCO_val2014_000000310196.jpg"
ROWS = [
    {"question_id": 1, "image": IMAGE, "text": "Is there a car in the image?", "label": "no"},
    {"question_id": 2, "image": IMAGE, "text": "Is there a dog in the image?", "label": "yes"},
]


@pytest.fixture(params=["lines", "array", "folder"])
def file(request, tmp_path):
    path = tmp_path / "coco_repope_random.json"
    as_lines = "\n".join(json.dumps(row) for row in ROWS) + "\n"
    path.write_text(json.dumps(ROWS) if request.param == "array" else as_lines)
    return tmp_path if request.param == "folder" else path


def test_corrected_labels_are_found_by_image_and_question(file):
    labels = LabelFile(str(file))
    assert labels.reference("COCO_val2014_000000310196", "Is there a car in the image?") == "no"
    assert labels.reference("310196.png", "is there a dog in the image") == "yes"
    assert labels.reference("COCO_val2014_000000310196", "Is there a cat in the image?") is None
    assert labels.reference("COCO_val2014_000000000001", "Is there a car in the image?") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "neither JSON nor JSON lines"),
        ('{"image": "a"}', "needs image, text and label"),
        ('{"image": "a", "text": "b?", "label": "true"}', "must be yes or no, got 'true'"),
        (
            '{"image": "a", "text": "b?", "label": "yes"}\n'
            '{"image": "a", "text": "B", "label": "no"}',
            "both yes and no for image a",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, text, message):
    (tmp_path / "labels.jsonl").write_text(text)
    with pytest.raises(SetupError, match=message):
        LabelFile(str(tmp_path / "labels.jsonl"))


def test_names_that_end_alike_are_other_images(tmp_path):
    rows = [
        {"image": f"{n}_1.jpg", "text": "b?", "label": a} for n, a in (("x", "yes"), ("y", "no"))
    ]
    (tmp_path / "labels.json").write_text(json.dumps(rows))
    labels = LabelFile(str(tmp_path / "labels.json"))
    assert [labels.reference(f"{n}_1", "b?") for n in "xy"] == ["yes", "no"]


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "labels.jsonl").write_bytes('{"image": "ä"}'.encode("latin-1"))
    with pytest.raises(SetupError, match="neither JSON nor JSON lines"):
        LabelFile(str(tmp_path / "labels.jsonl"))


def test_no_file_is_refused(tmp_path):
    with pytest.raises(SetupError, match="no such file"):
        LabelFile(str(tmp_path / "none.json"))


def test_the_stock_scorer_and_the_parser_disagree_on_a_full_stop():
    labels = label_answer("Yes.", 0.0, "yes", corrected="no", looked_up=True)
    assert labels.score == {"stock": 0.0, "parser": 1.0, "repope": 0.0}
    assert [score_by(labels, name) for name in ("stock", "parser", "repope")] == [0.0, 1.0, 0.0]


def test_questions_without_yes_or_no_keep_the_stock_label():
    labels = label_answer("three", 1.0, "3")
    assert not labels.binary
    assert score_by(labels, "parser") == 1.0


def test_a_question_that_the_file_leaves_out_has_no_label():
    labels = label_answer("yes", 1.0, "yes", corrected=None, looked_up=True)
    with pytest.raises(UndefinedMetricError, match="leave this question out"):
        score_by(labels, "repope")


def test_counts_by_hand():
    found = [
        label_answer("yes", 1.0, "yes", corrected="yes", looked_up=True),
        label_answer("Yes.", 0.0, "yes", corrected="no", looked_up=True),
        label_answer("perhaps", 0.0, "no", corrected=None, looked_up=True),
        label_answer("no", 0.0, "yes", corrected="no", looked_up=True),
        label_answer("blue", 1.0, "blue"),
    ]
    summary = summarise_labels(found, used="parser", threshold=0.5)
    assert summary == {
        "used": "parser",
        "n_binary": 4,
        "disagreements": 1,
        "unparseable": 1,
        "accuracy": {"stock": 2 / 5, "parser": 2 / 4, "repope": 2 / 3},
        "n": {"stock": 5, "parser": 4, "repope": 3},
    }
    assert sentence(summary) == (
        "label: yes/no parser; the yes/no parser disagrees with the stock scorer on 1 of 4 "
        "answers, 1 unparseable; accuracy by label: stock 0.4000 (n = 5), yes/no parser 0.5000 "
        "(n = 4), RePOPE 0.6667 (n = 3)"
    )
