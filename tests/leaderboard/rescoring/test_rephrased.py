"""Agreement with answers to the same questions in other words, from runs of their own."""

from dataclasses import replace

import numpy as np
import pytest

from leaderboard.cli import main
from leaderboard.runs.read import read_run
from tests.leaderboard.helpers.golden import make_records, write_run

NAME = "paraphrase_agreement"


def in_other_words(records, words, *, flipped, **changes):
    """The same documents under another prompt; every so manyth answer is another one."""
    return [
        replace(
            own,
            task="shapes_rephrased",
            prompt=words.format(own.prompt),
            normal_answer="maybe" if i % flipped == 0 else own.normal_answer,
            **changes,
        )
        for i, own in enumerate(records)
    ]


def refused(capsys, *told):
    assert main(["rescore", *map(str, told)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_it_is_the_share_of_runs_that_answer_the_same(tmp_path):
    records = make_records(24)
    run = write_run(tmp_path / "run", records)
    first = in_other_words(records, "Say: {}", flipped=2)
    second = in_other_words(records[:20], "{} Tell me.", flipped=3)
    second[6] = replace(second[6], missing={"answer": "the request failed"})
    second[7] = replace(second[7], group="another image")
    second[8] = replace(second[8], prompt=records[8].prompt)
    told = []
    for name, own in (("a", first), ("b", second)):
        told += ["--rephrased", str(write_run(tmp_path / name, own))]
    assert main(["rescore", str(run), *told]) == 0
    new = read_run(tmp_path / "run_rescored")
    for i, record in enumerate(new.records):
        agrees = [float(i % 2 != 0)]
        if i < 20 and i not in (6, 7, 8):
            agrees.append(float(i % 3 != 0))
        assert record.signals[NAME] == np.mean(agrees)
    assert set(new.manifest.rescored["rephrased"]) == {"a", "b"}
    assert new.manifest.rescored["added"][f"shapes:{NAME}"] == 24
    # a further rescoring keeps it, as it does what it cannot compute anew
    assert main(["rescore", str(new.path)]) == 0
    again = read_run(tmp_path / "run_rescored_rescored")
    assert [own.signals[NAME] for own in again.records] == [
        own.signals[NAME] for own in new.records
    ]


def test_a_question_that_nobody_rephrased_and_an_empty_answer_have_reasons(tmp_path):
    records = make_records(24)
    records[3] = replace(records[3], normal_answer="")
    run = write_run(tmp_path / "run", records)
    other = write_run(tmp_path / "a", in_other_words(records[:20], "Say: {}", flipped=2))
    assert main(["rescore", str(run), "--rephrased", str(other)]) == 0
    new = read_run(tmp_path / "run_rescored").records
    assert new[3].missing[NAME] == "the answer is empty"
    assert new[21].missing[NAME] == "no run asks this question in other words"
    assert new[3].signals[NAME] is new[21].signals[NAME] is None
    assert new[4].signals[NAME] is not None


def test_without_such_a_run_it_is_not_offered(tmp_path):
    run = write_run(tmp_path / "run", make_records(24))
    assert main(["rescore", str(run)]) == 0
    new = read_run(tmp_path / "run_rescored")
    assert "--rephrased" in new.manifest.not_offered[f"shapes:{NAME}"]
    assert NAME not in new.records[0].signals


@pytest.mark.parametrize(
    ("words", "changes", "message"),
    [
        ("{}", {}, "asks no question of this run in other words"),
        ("Say: {}", {"target": "seven"}, "asks no question of this run in other words"),
        ("Say: {}", {"split": "train"}, "asks no question of this run in other words"),
    ],
)
def test_a_run_of_other_questions_or_of_the_same_words_is_one_line(
    tmp_path, capsys, words, changes, message
):
    records = make_records(24)
    run = write_run(tmp_path / "run", records)
    other = write_run(tmp_path / "a", in_other_words(records, words, flipped=2, **changes))
    assert message in refused(capsys, run, "--rephrased", other)
    assert not (tmp_path / "run_rescored").exists()


def test_another_model_s_answers_and_no_run_are_one_line(tmp_path, capsys):
    records = make_records(24)
    run = write_run(tmp_path / "run", records)
    rephrased = in_other_words(records, "Say: {}", flipped=2)
    other = write_run(tmp_path / "a", rephrased, model={"name": "another"})
    assert "is of another model (another)" in refused(capsys, run, "--rephrased", other)
    assert "cannot rescore" in refused(capsys, run, "--rephrased", tmp_path / "nowhere")


def two_tasks(words="{}", **names):
    """Two tasks about the same images with the same answers, such as POPE's three."""
    first = make_records(24)
    told = [replace(own, prompt=words.format(own.prompt)) for own in first]
    others = [replace(own, prompt=words.format(f"And blue? {own.prompt}")) for own in first]
    return [
        replace(own, task=names.get(task, task))
        for task, records in (("a", told), ("b", others))
        for own in records
    ]


def test_questions_of_another_task_about_the_same_image_are_no_rephrasings(tmp_path, capsys):
    run = write_run(tmp_path / "run", two_tasks())
    same = two_tasks("Say: {}")
    same = [replace(own, normal_answer="maybe") if own.task == "b" else own for own in same]
    named = write_run(tmp_path / "named", same)
    assert main(["rescore", str(run), "--rephrased", str(named)]) == 0
    for record in read_run(tmp_path / "run_rescored").records:
        assert record.signals[NAME] == float(record.task == "a")
    capsys.readouterr()
    unnamed = write_run(tmp_path / "unnamed", two_tasks("Say: {}", a="c", b="d"))
    said = refused(capsys, run, "-o", tmp_path / "new", "--rephrased", unnamed)
    assert "task c has images and reference answers of a and of b" in said


def test_runs_are_told_apart_and_counted_once(tmp_path, capsys):
    records = make_records(24)
    run = write_run(tmp_path / "run", records)
    one = write_run(tmp_path / "one" / "vrp", in_other_words(records, "Say: {}", flipped=2))
    two = write_run(tmp_path / "two" / "vrp", in_other_words(records, "Tell: {}", flipped=3))
    assert main(["rescore", str(run), "--rephrased", str(one), "--rephrased", str(two)]) == 0
    made = read_run(tmp_path / "run_rescored").manifest.rescored["rephrased"]
    assert set(made) == {"vrp", "vrp (2)"}
    capsys.readouterr()
    said = refused(
        capsys, run, "-o", tmp_path / "new", "--rephrased", one, "--rephrased", one / ".." / "vrp"
    )
    assert "its answers would count twice" in said


def test_a_target_that_cannot_be_is_said_before_a_model_compares_answers(tmp_path, capsys):
    run = write_run(tmp_path / "run", make_records(24))
    (tmp_path / "run_rescored" / "full").mkdir(parents=True)
    assert "not an empty folder" in refused(capsys, run, "--entailment", tmp_path / "nowhere")
