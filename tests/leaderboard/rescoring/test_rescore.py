"""Rescoring of made-up runs: what is new, what stands, what is refused, and what is left behind."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from leaderboard.cli import main
from leaderboard.report import waiting
from leaderboard.rescoring import folder as folder_module
from leaderboard.rescoring.folder import rescore_folder
from leaderboard.runs.read import read_run
from metrics import signals as declared
from metrics.errors import RecordError
from metrics.record.channels import OUTSIDE, BoundaryMaps, TokenScores
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE
from metrics.signals.declaration import Signal
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.observed import SHARDS, N, write_observed
from tests.metrics.helpers.seen import channels

SPREAD = Signal(
    "logprob_spread", "−spread of log-probabilities", "confidence", "ours", (TokenScores,),
    lambda scores: -np.ptp(scores.logprobs),
)  # fmt: skip
BOUNDARY = Signal(
    "boundary", "boundary", "attention", "ours", (BoundaryMaps,), lambda maps: maps.by_layer.max()
)


def quiet(task, done, of):
    pass


@pytest.fixture
def declare(monkeypatch):
    def add(*signals):
        monkeypatch.setattr(declared, "SIGNALS", (*declared.SIGNALS, *signals))
        for signal in signals:
            monkeypatch.setitem(declared.BY_NAME, signal.name, signal)

    return add


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_comes_out_whole_and_stays_as_it_was(tmp_path, capsys):
    run = write_observed(tmp_path / "run")
    before = bytes_of(run)
    assert main(["rescore", str(run)]) == 0
    other = tmp_path / "run_rescored"
    assert capsys.readouterr().out == f"{other}\n"
    assert bytes_of(run) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays", "run", "run_rescored"]
    old, new = read_run(run), read_run(other)
    for one, two in zip(old.records, new.records, strict=True):
        assert one.signals.items() <= two.signals.items()
        assert one.layers == two.layers
        assert two.missing["probe"]  # 12 samples: too few to fit on
    assert new.manifest.invalid["shapes:probe"].startswith("missing for all 12 samples")
    said = new.manifest.rescored
    digest = hashlib.sha256(before[MANIFEST_FILE]).hexdigest()
    assert said["run"] == {"name": "run", "manifest_sha256": digest}
    assert said["recomputed"]["shapes:token_confidence"] == N
    assert (said["added"], said["kept"]) == ({}, {})
    for name in SHARDS:
        assert (other / name).samefile(run / name)


def test_a_signal_declared_after_the_run_is_in_the_new_records(tmp_path, declare, capsys):
    run = write_observed(tmp_path / "run")
    declare(SPREAD, BOUNDARY)
    other = rescore_folder(run, progress=quiet)
    new = read_run(other)
    for doc, record in enumerate(new.records):
        expected = -np.ptp(channels(doc)["token_scores"].logprobs)
        assert record.signals["logprob_spread"] == float(expected)
        assert "boundary" not in record.signals | record.missing
    assert new.manifest.rescored["added"] == {"shapes:logprob_spread": N}
    left_out = dict(new.manifest.not_offered)
    assert left_out.pop("shapes:boundary") == (
        "this run stored no boundary_maps, of which the signal is computed"
    )
    assert set(left_out.values()) == set(OUTSIDE.values())
    assert main(["show", str(other)]) == 0
    assert SPREAD.label in capsys.readouterr().out
    again = rescore_folder(other, progress=quiet)  # no longer new
    assert again.name == "run_rescored_rescored"
    assert read_run(again).records == new.records
    assert read_run(again).manifest.rescored["added"] == {}
    assert read_run(again).manifest.not_offered == new.manifest.not_offered


def test_a_run_without_channels_keeps_what_it_recorded(tmp_path):
    records = make_records(40)
    other = rescore_folder(write_run(tmp_path / "run", records), progress=quiet)
    new = read_run(other)
    said = new.manifest.rescored
    assert said["kept"] == {"shapes:spatial_entropy": 40, "shapes:token_confidence": 40}
    assert said["recomputed"] == {"shapes:self_consistency": 40}
    for old, record in zip(records, new.records, strict=True):
        assert record.layers == old.layers
        assert record.signals["token_confidence"] == old.signals["token_confidence"]
        share = old.normal_samples.count(max("yes", "no", key=old.normal_samples.count)) / 10
        assert record.signals["self_consistency"] == share
        assert record.signals["probe"] is None  # fitted on states that are not there


@pytest.mark.parametrize(
    ("said", "is_void"),
    [("passed", False), ("not run: no maps are seen", False), ("rows are columns", True)],
)
def test_the_gate_distrusts_maps_as_the_run_did(tmp_path, said, is_void):
    model = {"name": "m", "geometry_self_test": said}
    invalid = read_run(
        rescore_folder(write_observed(tmp_path / "run", model=model), progress=quiet)
    ).manifest.invalid
    assert (invalid.get("shapes:spatial_entropy") == said) == is_void


def test_what_cannot_be_linked_is_copied(tmp_path, monkeypatch):
    run = write_observed(tmp_path / "run")
    elsewhere = tmp_path / "elsewhere"
    shutil.move(run / SHARDS[0], elsewhere)
    (run / SHARDS[0]).symlink_to(elsewhere)

    def refuse(*_):
        raise OSError("no links here")

    first = rescore_folder(run, tmp_path / "first", progress=quiet)
    assert not (first / SHARDS[0]).is_symlink()
    assert not (first / SHARDS[0]).samefile(elsewhere)
    assert (first / SHARDS[1]).samefile(run / SHARDS[1])
    monkeypatch.setattr(os, "link", refuse)
    second = rescore_folder(run, tmp_path / "deep" / "er", progress=quiet)
    assert not (second / SHARDS[1]).samefile(run / SHARDS[1])
    assert bytes_of(second).keys() == bytes_of(run).keys()
    read_run(second)


def test_a_copy_that_is_not_the_file_is_no_run(tmp_path, monkeypatch):
    run = write_observed(tmp_path / "run")
    monkeypatch.setattr(
        folder_module, "_same_file", lambda source, target: target.write_bytes(b"half")
    )
    with pytest.raises(RecordError, match=r"has 4 bytes; the manifest says"):
        rescore_folder(run, tmp_path / "new", progress=quiet)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays", "run"]


def test_a_stop_leaves_nothing(tmp_path, monkeypatch):
    run = write_observed(tmp_path / "run")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "check_files", stop)
    with pytest.raises(KeyboardInterrupt):
        rescore_folder(run, progress=quiet)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays", "run"]


def test_an_empty_folder_is_filled_any_other_target_is_refused(tmp_path, capsys):
    run = write_observed(tmp_path / "run")
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    (full / "note.txt").write_text("mine")
    empty.mkdir()
    file.write_text("mine")
    for target, message in (
        (run, "is the run itself, or inside it"),
        (run / "new", "is the run itself, or inside it"),
        (full, "exists and is not an empty folder"),
        (file, "exists and is not an empty folder"),
    ):
        assert main(["rescore", str(run), "-o", str(target)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("vrp-leaderboard: cannot rescore: ")
        assert message in err
        assert err.count("\n") == 1
    assert main(["rescore", str(run), "-o", str(empty)]) == 0
    assert read_run(empty).manifest.rescored
    assert bytes_of(full) == {"note.txt": b"mine"}


def set_to(key, value):
    def change(columns):
        columns[key] = np.asarray(value(columns[key]))

    return change


def first_only(columns):
    """Token scores as those of the first answer alone."""
    return {
        k: columns[k][:3] if columns[k].ndim == 1 else columns[k][:1]
        for k in columns
        if k.startswith("token_scores.logprobs")
    }


BAD_ARRAYS = {
    "there is no such row": (
        lambda columns: columns.update(first_only(columns)),
        "arrays-0-0.safetensors has no row 1",
    ),
    "values are missing": (
        set_to("token_scores.logprobs", lambda v: v[:-1]),
        "token_scores.logprobs has 17 values, its shapes say 18",
    ),
    "sizes are absurd": (
        set_to("image_maps.by_layer.shapes", lambda v: np.full_like(v, 2**62)),
        "image_maps.by_layer.shapes holds sizes that cannot be",
    ),
    "a column is missing": (
        lambda columns: columns.pop("lens.answer_margin"),
        "lacks lens.answer_margin, of which it has the shapes",
    ),
    "a field is missing": (
        lambda columns: [columns.pop(k) for k in list(columns) if k.startswith("image_tokens.is")],
        "a part only of image_tokens is stored for a sample",
    ),
    "a value is none": (
        set_to("image_mass.by_layer", lambda v: v * np.nan),
        "signal image_attention_mass must be finite",
    ),
    "a layer is none": (
        set_to("image_tokens.update_norm", lambda v: v * np.inf),
        "layers.update_norm must be finite",
    ),
    "maps are no maps": (
        set_to("image_maps.by_layer.shapes", lambda v: np.prod(v, axis=1, keepdims=True)),
        "its content is not that of a run",
    ),
}


@pytest.mark.parametrize("fault", BAD_ARRAYS)
def test_array_files_that_no_run_writes_are_refused_in_one_line(tmp_path, capsys, fault):
    change, message = BAD_ARRAYS[fault]
    run = write_observed(tmp_path / "run", change=change)
    assert main(["rescore", str(run)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vrp-leaderboard: cannot rescore: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arrays", "run"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / MANIFEST_FILE).unlink(), "has no manifest.json: it is no complete run"),
        (lambda run: shutil.rmtree(run), "has no manifest.json: it is no complete run"),
        (lambda run: (run / SHARDS[0]).unlink(), "arrays-0-0.safetensors, which the manifest"),
        (lambda run: (run / RECORDS_FILE).write_bytes(b"x"), "records.parquet has 1 bytes"),
        (lambda run: manifest_with(run, schema_version=2), "schema_version 2, this version reads"),
        (lambda run: manifest_with(run, rescored=[]), "field rescored must be an object"),
        (
            lambda run: manifest_with(run, model={"name": "m", "geometry_self_test": 1}),
            "model.geometry_self_test must be text",
        ),
        (
            lambda run: manifest_with(run, transfer={"tasks": "x", "auroc": []}),
            "transfer.tasks must be a list",
        ),
    ],
)
def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path, capsys, spoil, message):
    run = write_observed(tmp_path / "run")
    spoil(run)
    assert main(["rescore", str(run)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("vrp-leaderboard: cannot rescore: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "run_rescored").exists()


def manifest_with(run, **fields):
    path = run / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_progress_is_shown_at_times(tmp_path, capsys, monkeypatch):
    run = write_observed(tmp_path / "run")
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_LINES", 0.0)
    assert main(["rescore", str(run)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"shapes, samples: 1 of {N}, about ")
    assert lines[N - 1] == f"shapes, samples: {N} of {N}, about 0 s left"
    assert lines[N].startswith("shapes, fits on labels: 0 of ")
    assert lines[-1].endswith("about 0 s left")
    monkeypatch.undo()
    assert main(["rescore", str(run), "-o", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().err == ""
