"""The examples run as they are printed, without torch, and say what the library says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import metrics
from leaderboard.runs.read import read_run
from tests.leaderboard.helpers.golden import make_records, write_run

ROOT = Path(__file__).parents[1]
NO_TORCH = 'raise ImportError("an example imported torch")\n'


@pytest.fixture
def example(tmp_path):
    """Runs one of the examples in a process in which importing torch fails."""
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "torch.py").write_text(NO_TORCH)
    path = os.pathsep.join([str(tmp_path / "shadow"), str(ROOT)])

    def run(name, *arguments, check=True):
        return subprocess.run(
            [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=check,
        )

    return run


def figures(line):
    """Value and interval at the end of a line, as printed."""
    return line.rpartition(": ")[2].partition("]")[0] + "]"


def printed(found):
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def test_a_run_is_read_and_a_signal_of_ones_own_is_scored(tmp_path, example):
    pytest.importorskip("pandas")
    folder = write_run(tmp_path / "out" / "run", make_records(240))
    lines = example("read_a_run.py", tmp_path / "out").stdout.splitlines()
    records = read_run(folder).records
    assert "tiny-llava on shapes: 240 questions" in lines
    correct = [r.correct for r in records]
    by_hand = [abs(2 * r.normal_samples.count("no") - 10) / 10 for r in records]  # yes or no only
    options = {"groups": [r.group for r in records], "kinds": [r.kind for r in records]}
    stored = [r.signals["self_consistency"] for r in records]
    own_line, stored_line, last = lines[-3:]
    assert figures(own_line) == printed(metrics.auroc_estimate(correct, by_hand, **options))
    assert figures(stored_line) == printed(metrics.auroc_estimate(correct, stored, **options))
    found = metrics.paired_auroc_difference((correct, by_hand), (correct, stored), **options)
    assert figures(last) == printed(found.estimate)


def test_what_cannot_be_read_or_scored_is_said(tmp_path, example):
    pytest.importorskip("pandas")
    records = make_records(24)
    for record in records:
        record.samples.clear()
        record.normal_samples.clear()
        del record.signals["self_consistency"]
    write_run(tmp_path / "run", records)
    out = example("read_a_run.py", tmp_path / "absent", tmp_path / "run").stdout
    assert f"{tmp_path / 'absent'}: absent: no such file or folder" in out
    assert "no signal.self_consistency: the run drew no samples" in out


def test_the_metrics_work_on_plain_arrays(example):
    lines = example("metrics_on_your_arrays.py").stdout.splitlines()
    (sharpness,) = (line for line in lines if line.startswith("sharpness: AUROC"))
    low, high = map(float, figures(sharpness).partition("[")[2].rstrip("]").split(","))
    assert low < 0.5 < high  # drawn without a look at correctness
    assert "undefined: constant score: 0 for all 600 samples" in lines
    assert lines[-1].startswith("undefined: one class only")


def test_torch_would_be_noticed(example):
    ran = example("../vrp_tasks/capture/channels.py", check=False)
    assert "an example imported torch" in ran.stderr
