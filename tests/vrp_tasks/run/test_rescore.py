"""A run rescored where no model can be: the same records to the last bit, and the same manifest."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.runs.read import read_run, sha256_of
from metrics.record.channels import ListedTokens, NeuronContributions
from metrics.record.long_tables import write_records
from metrics.record.records import (
    GROUNDING_FILE,
    INTERVENTIONS_FILE,
    MANIFEST_FILE,
    RECORDS_FILE,
)
from metrics.signals import BY_NAME
from tests.vrp_tasks.helpers.evaluation import evaluate
from vrp_tasks.registration import TASKS_FOLDER

WITHOUT_A_MODEL = """
import sys
class Refused:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "transformers", "lmms_eval", "vrp_tasks"):
            raise ModuleNotFoundError(f"{name} was imported")
sys.meta_path.insert(0, Refused())
from leaderboard.cli import main
sys.exit(main(["rescore", *sys.argv[1:]]))
"""

PROGRESS = re.compile(r"\w+, (samples|fits on labels): \d+ of \d+(, about \d+ s left)?")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def run_of(model, output, *, tasks=("vrp_shapes",), **options):
    evaluate(model, list(tasks), TASKS_FOLDER, output=output, **options)
    return max(output.glob("*/*_vrp"))


def rescored(folder):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_MODEL, str(folder)],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(PROGRESS.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    return Path(done.stdout.strip())


def assert_same(folder, other):
    """Records and manifest are equal; what is said of the rescoring is returned."""
    one, two = read_run(folder), read_run(other)
    assert one.records == two.records  # floats to the last bit
    said = two.manifest.rescored
    assert replace(two.manifest, rescored={}) == one.manifest  # the hash of the records too
    assert said["run"]["name"] == folder.name
    assert said["added"] == {}
    return said


PASSES = ("continuation", "further prefills", "outside model")  # that have to be asked for


@pytest.mark.slow
def test_every_signal_comes_out_as_the_run_had_it(tmp_path):
    arguments = "k=3,blank_image=true,cluster_grid=true"
    tasks = ("vrp_shapes", "vrp_shapes_counting")
    folder = run_of("llava_hf", tmp_path, tasks=tasks, limit=64, arguments=arguments)
    manifest = read_run(folder).manifest
    left_out = {"loaded_probe"} | {n for n, own in BY_NAME.items() if own.cost in PASSES}
    # what is kept on request only, and what a server tells in place of exact figures
    kept = {NeuronContributions, ListedTokens}
    left_out |= {name for name, own in BY_NAME.items() if kept.intersection(own.needs)}
    numbers = {n for n, own in BY_NAME.items() if own.applies}  # no candidate is counted to
    assert {name.split(":")[1] for name in manifest.not_offered} == left_out | numbers
    assert not {f"vrp_shapes:{name}" for name in numbers} & manifest.not_offered.keys()
    fitted = {name for name, signal in BY_NAME.items() if signal.fitted} - left_out - numbers
    assert {f"vrp_shapes_counting:{name}" for name in fitted} <= manifest.fits.keys()
    assert {"probe", "cluster_grid"} <= manifest.probe["vrp_shapes_counting"].keys()
    assert any(value is not None for row in manifest.transfer["auroc"] for value in row)
    said = assert_same(folder, rescored(folder))
    every = {f"vrp_shapes_counting:{name}" for name in BY_NAME} & said["recomputed"].keys()
    assert len(every) == len(BY_NAME) - len(left_out | numbers)
    assert said["kept"] == {}


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("qwen2_vl", "k=3,hidden_max=4"),
        ("paligemma", "k=0,hidden_dtype=none"),
        ("qwen2_vl", "access=text,k=3"),
    ],
)
def test_what_a_run_leaves_out_stays_out(tmp_path, model, arguments):
    folder = run_of(model, tmp_path, limit=8, arguments=arguments)
    assert read_run(folder).manifest.not_offered
    assert assert_same(folder, rescored(folder))["kept"] == {}


def test_companions_keep_their_tables(tmp_path):
    tasks = ("vrp_shapes", "vrp_shapes_robustness", "vrp_shapes_grounding")
    folder = run_of("llava_hf", tmp_path, tasks=tasks, limit=2, arguments="k=0")
    other = rescored(folder)
    assert_same(folder, other)
    for file in (INTERVENTIONS_FILE, GROUNDING_FILE):
        assert (other / file).read_bytes() == (folder / file).read_bytes()


def lose_arrays(folder):
    """A run whose records name no array file, and that has none."""
    path = folder / RECORDS_FILE
    records = [replace(own, shard=None, row=None) for own in read_run(folder).records]
    with path.open("wb") as file:
        write_records(file, records)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    for array in folder.glob("arrays-*"):
        del manifest["files"][array.name]
        array.unlink()
    manifest["files"][RECORDS_FILE] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


def of_one_answer(record):
    """Signals that need no other answer: a probe has nothing to be fitted on here."""
    return {name: v for name, v in record.signals.items() if not BY_NAME[name].fitted}


def test_answers_without_arrays_keep_their_recorded_signals(tmp_path):
    """Their channels are in no array file of the run, but their samples are in its records."""
    folder = run_of("qwen2_vl", tmp_path / "out", limit=8, arguments="k=3")
    lose_arrays(folder)
    assert all(record.shard is None for record in read_run(folder).records)
    before, after = read_run(folder), read_run(rescored(folder))
    for one, two in zip(before.records, after.records, strict=True):
        assert of_one_answer(one) == of_one_answer(two)
    said = after.manifest.rescored
    assert said["kept"]["vrp_shapes:token_confidence"] == 8
    assert said["recomputed"]["vrp_shapes:self_consistency"] == 8
    assert "vrp_shapes:self_consistency" not in said["kept"]
