import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import log_expit

from leaderboard.cli import main
from leaderboard.errors import PolicyError
from leaderboard.policies.policy import policy_text, read_policy
from metrics.abstention.promise import promised_threshold
from tests.leaderboard.helpers.golden import make_records, write_run

SIGNAL = "token_confidence"


def clear_records(n=600, *, seed=0, error_rate=0.1, task="shapes", worse=False):
    """Every question of an image of its own; confidence tells, and the surest are right."""
    rng = np.random.default_rng(seed)
    records = []
    for i, record in enumerate(make_records(n, task=task, seed=seed)):
        correct = int(rng.random() >= error_rate)
        score = log_expit(3 * correct + rng.normal() + (3 if worse and not correct else 0))
        records.append(
            replace(
                record,
                group=f"{seed}-{i}",
                correct=correct,
                score=float(correct),
                signals=record.signals | {SIGNAL: float(score)},
            )
        )
    return records


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def chosen(folder, name="a", *more, **changes):
    run = write_run(folder / name, clear_records(**changes))
    code = main(["threshold", str(run), "--signal", SIGNAL, "-o", f"{name}.json", *more])
    return code, folder / f"{name}.json"


def test_a_policy_is_the_threshold_of_the_metric(folder, capsys):
    code, path = chosen(folder)
    records = clear_records()
    found = promised_threshold(
        [r.correct for r in records],
        [r.signals[SIGNAL] for r in records],
        [r.group for r in records],
        risk=0.05,
    )
    policy = read_policy(path)
    assert code == 0
    assert policy.promise.threshold == found.found.threshold
    assert (policy.promise.risk, policy.promise.confidence) == (0.05, 0.95)
    assert policy.chosen_on.n_wrong == found.found.n_wrong
    assert policy.chosen_on.bound == found.found.high <= 0.05
    assert json.loads(path.read_text())["signal"] == {
        "name": SIGNAL, "version": "0.1", "sampling": {},
    }  # fmt: skip
    said = capsys.readouterr().out
    assert f"is {policy.promise.threshold:.6g} or more" in said
    assert f"{found.found.n_wrong} of {found.found.n_shown} shown are wrong" in said


def test_it_is_written_beside_the_reader_by_default(folder, capsys):
    run = write_run(folder / "a", clear_records())
    assert main(["threshold", str(run), "--risk", "0.1"]) == 0
    assert (folder / f"{SIGNAL}.policy.json").is_file()


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({"seed": 1, "n": 4000}, "The promise is kept", 0),
        ({"seed": 1, "error_rate": 0.5, "worse": True}, "The promise is BROKEN", 1),
        ({"seed": 1, "n": 100}, "Cannot tell", 0),
    ],
)
def test_it_is_held_against_another_run(folder, capsys, changes, verdict, code):
    _, path = chosen(folder)
    run = write_run(folder / "b", clear_records(**changes))
    capsys.readouterr()
    assert main(["apply", str(path), str(run)]) == code
    said = capsys.readouterr().out
    assert said.startswith(verdict)
    records, threshold = clear_records(**changes), read_policy(path).promise.threshold
    shown = [r for r in records if r.signals[SIGNAL] >= threshold]
    wrong = sum(not r.correct for r in shown)
    assert f"{wrong} of {len(shown)} shown are wrong" in said
    assert f"{len(shown)} of {len(records)} answers" in said
    strict = main(["apply", str(path), str(run), "--strict"])
    assert strict == (3 if verdict == "Cannot tell" else code)


def test_the_run_that_it_was_chosen_on_is_no_check_of_it(folder, capsys):
    _, path = chosen(folder)
    main(["apply", str(path), str(folder / "a")])
    assert "no check of it" in capsys.readouterr().out
    write_run(folder / "b", clear_records(), model={"name": "other", "family": "llava"})
    main(["apply", str(path), str(folder / "b")])
    said = capsys.readouterr().out
    assert "chosen on these very images" in said
    assert "chosen on another model (tiny-llava)" in said


def test_no_threshold_is_a_line_and_no_file(folder, capsys):
    code, path = chosen(folder, error_rate=0.6, worse=True)
    assert code == 1
    assert not path.exists()
    assert re.search(r"no threshold can be promised: too many .* wrong", capsys.readouterr().out)
    assert chosen(folder, "few", n=40)[0] == 1
    assert "40 images are too few" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("signal", "why"),
    [
        ("tokn_confidence", "did you mean token_confidence?"),
        ("truth_margin", "needs the true answer"),
        ("probe", "fitted on the labels of its own run"),
        ("probe_blank", "is a control"),
        ("loaded_probe", "no answer of shapes has loaded_probe"),
        ("first_token_margin", "is not offered on shapes (text only)"),
        ("self_consistency", "is INVALID on shapes (broken)"),
    ],
)
def test_a_signal_that_cannot_carry_a_promise(folder, capsys, signal, why):
    run = write_run(
        folder / "a",
        clear_records(),
        invalid={"shapes:self_consistency": "broken"},
        not_offered={"shapes:first_token_margin": "text only"},
    )
    assert main(["threshold", str(run), "--signal", signal]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vrp-leaderboard: cannot choose a threshold: ")
    assert why in said
    assert said.count("\n") == 1


def test_one_task_is_meant(folder, capsys):
    records = [*clear_records(), *clear_records(task="other", seed=2)]
    run = write_run(folder / "a", records)
    assert main(["threshold", str(run)]) == 2
    assert "has 2 tasks, name one with --task: shapes, other" in capsys.readouterr().err
    assert main(["threshold", str(run), "--task", "other", "-o", "p.json"]) == 0
    assert main(["threshold", str(run), "--task", "none"]) == 2
    alone = write_run(folder / "b", clear_records())
    assert main(["apply", "p.json", str(alone)]) == 2
    assert "the policy is for the task 'other'; the run has shapes." in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "1", "-0.1", "nan", "many"])
def test_a_risk_is_a_share(folder, capsys, text):
    with pytest.raises(SystemExit) as stop:
        main(["threshold", "a", f"--risk={text}"])
    assert stop.value.code == 2
    assert "must be between 0 and 1" in capsys.readouterr().err


def changed(path, **fields):
    """The policy with some fields replaced, by their dotted path."""
    data = json.loads(path.read_text())
    for dotted, value in fields.items():
        *way, last = dotted.split("__")
        at = data
        for step in way:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"format": "other"}, "its field format is not"),
        ({"format_version": 2}, "has format_version 2, this version reads 1"),
        ({"promise": None}, "it lacks the field 'promise'"),
        ({"promise__risk": None}, "promise lacks the field 'risk'"),
        ({"promise__extra": 1}, "promise has the unknown field 'extra'"),
        ({"promise__risk": 1.5}, "promise.risk must be in (0, 1), got 1.5"),
        ({"promise__confidence": True}, "promise.confidence must be of type float, got True"),
        ({"promise__threshold": "0.5"}, "promise.threshold must be of type float, got '0.5'"),
        ({"promise__threshold": 10**400}, "promise.threshold must be finite"),
        ({"signal__name": "__class__"}, "signal.name is no declared signal, got '__class__'"),
        ({"signal__sampling": [1]}, "signal.sampling must be an object"),
        ({"task__name": "x" * 5000}, "task.name must be of type str"),
        ({"chosen_on__n": 1.5}, "chosen_on.n must be of type int, got 1.5"),
    ],
)
def test_a_crafted_policy_is_one_line(folder, capsys, fields, why):
    _, path = chosen(folder)
    capsys.readouterr()
    changed(path, **fields)
    assert main(["apply", str(path), str(folder / "a")]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no policy"),
        (b"\xff\xfe", "is no policy"),
        (b'{"format": NaN}', "it holds NaN, which is no number"),
        (b"[" * 50_000, "is no policy"),
        (b" " * 200_000, "more than 100000 bytes"),
    ],
)
def test_what_is_no_policy_is_one_line(folder, capsys, content, why):
    chosen(folder)
    capsys.readouterr()
    (folder / "x.json").write_bytes(content)
    assert main(["apply", "x.json", str(folder / "a")]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert main(["apply", "absent.json", str(folder / "a")]) == 2
    assert capsys.readouterr().err.endswith("absent.json: No such file or directory\n")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_json_is_a_policy_or_refused(tmp_path, data):
    path = tmp_path / "any.json"
    path.write_text(json.dumps({"format": "vrp-policy", "format_version": 1, "task": data}))
    with pytest.raises(PolicyError, match="is no policy"):
        read_policy(path)


def test_a_policy_is_read_as_it_was_written(folder):
    _, path = chosen(folder)
    policy = read_policy(path)
    assert policy_text(policy) == path.read_text()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"settings": {"k": 10, "label": "strict"}}, "the task's label (None and strict)"),
        ({"versions": {"vrp-tasks": "0.2.0"}}, "the signal's version (0.1 and 0.2)"),
    ],
)
def test_another_label_or_version_is_refused_unless_asked_for(folder, capsys, changes, why):
    _, path = chosen(folder)
    run = write_run(folder / "b", clear_records(seed=1), **changes)
    assert main(["apply", str(path), str(run)]) == 2
    assert why in capsys.readouterr().err
    assert main(["apply", str(path), str(run), "--allow-different"]) == 0
    assert f"applied although they differ in {why}" in capsys.readouterr().out


def test_how_samples_were_drawn_is_part_of_a_signal_of_samples(folder, capsys):
    records = [replace(r, correct=1, score=1.0) for r in clear_records(error_rate=0.0)]
    run = write_run(folder / "a", records)
    arguments = ["threshold", str(run), "--signal", "self_consistency", "-o", "p.json"]
    assert main(arguments) == 0
    other = write_run(folder / "b", records, settings={"k": 5, "temperature": 0.7, "top_p": 0.9})
    assert main(["apply", "p.json", str(other)]) == 2
    assert "the signal's sampling" in capsys.readouterr().err


def test_the_release_check_takes_a_policy_as_a_gate(folder, capsys):
    _, path = chosen(folder, "calibration", seed=9)
    old = write_run(folder / "old", clear_records(4000))
    worse = write_run(folder / "worse", clear_records(4000, error_rate=0.3, worse=True))
    check = ["compare", "--policy", str(path)]
    assert main([*check, str(old), str(old)]) == 0
    assert f"shapes/policy.{SIGNAL} promise kept" in capsys.readouterr().out
    (folder / "t.toml").write_text("[margins]\naccuracy = 1.0\n")
    lenient = ["--tolerances", "t.toml"]
    assert main(["compare", *lenient, str(old), str(worse)]) == 0
    assert main([*check, *lenient, "-o", "out", str(old), str(worse)]) == 1
    assert "promise BROKEN" in capsys.readouterr().out
    (promise,) = json.loads((folder / "out/compare.json").read_text())["promises"]
    assert promise["verdict"] == "broken"
    assert promise["new"]["low"] > promise["promised_risk"] > promise["old"]["risk"]
    assert f'name="policy.{SIGNAL}"><failure' in (folder / "out/compare.xml").read_text()
    assert "BROKEN" in (folder / "out/compare.md").read_text()


def test_a_policy_for_another_task_stops_the_release_check(folder, capsys):
    _, path = chosen(folder, "other", task="elsewhere")
    run = write_run(folder / "old", clear_records())
    assert main(["compare", "--policy", str(path), str(run), str(run)]) == 2
    assert "cannot compare: the policy is for the task 'elsewhere'" in capsys.readouterr().err
