import json
import os
from dataclasses import replace

import pytest

from leaderboard.cli import main
from leaderboard.output import cache_folder
from leaderboard.results import cache as cache_module
from leaderboard.results import workers
from leaderboard.results.cache import PACKAGES, Cache, code_version
from leaderboard.results.workers import evaluate_paths
from leaderboard.runs.read import Problem
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE
from tests.leaderboard.helpers.golden import make_records, write_run


@pytest.fixture
def evaluations(monkeypatch):
    """Folders that were really evaluated."""
    seen = []
    evaluate = workers.evaluate_run

    def counting(run, **options):
        seen.append(run.path.name)
        return evaluate(run, **options)

    monkeypatch.setattr(workers, "evaluate_run", counting)
    return seen


def build(folder, cache):
    return evaluate_paths([folder], n_workers=1, cache=cache)


def test_the_second_build_evaluates_nothing_and_gives_the_same(tmp_path, evaluations):
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name, make_records(40, seed=ord(name)))
    cache = Cache(tmp_path / "cache")
    first = build(tmp_path / "runs", cache)
    assert evaluations == ["a", "b"]
    assert build(tmp_path / "runs", cache) == first
    assert evaluations == ["a", "b"]


def test_the_files_of_two_builds_are_the_same_bytes(tmp_path, capsys, evaluations):
    write_run(tmp_path / "runs" / "a", make_records(80))
    contents = []
    for _ in range(2):
        main(["build", str(tmp_path / "runs"), "-o", str(tmp_path / "out")])
        files = sorted(path for path in (tmp_path / "out").iterdir() if path.is_file())
        contents.append([(path.name, path.read_bytes()) for path in files])
    assert contents[0] == contents[1]
    assert evaluations == ["a"]
    printed = capsys.readouterr().out
    half = len(printed) // 2
    assert printed[:half] == printed[half:]


def test_an_entry_does_not_depend_on_where_the_run_lies(tmp_path, evaluations):
    cache = Cache(tmp_path / "cache")
    write_run(tmp_path / "one" / "a")
    (first,) = build(tmp_path / "one", cache).runs
    (tmp_path / "one").rename(tmp_path / "other")
    (second,) = build(tmp_path / "other", cache).runs
    assert evaluations == ["a"]
    assert second.tasks == first.tasks
    assert second.path == tmp_path / "other" / "a"


def test_another_record_is_evaluated_anew(tmp_path, evaluations):
    records, cache = make_records(40), Cache(tmp_path / "cache")
    write_run(tmp_path / "runs" / "a", records)
    before = build(tmp_path / "runs", cache)
    changed = [replace(records[0], signals=records[0].signals | {"probe": 99.0}), *records[1:]]
    (tmp_path / "runs").rename(tmp_path / "before")
    write_run(tmp_path / "runs" / "a", changed)
    after = build(tmp_path / "runs", cache)
    assert evaluations == ["a", "a"]
    assert after.runs[0].tasks != before.runs[0].tasks


def test_a_file_changed_behind_the_manifest_is_damage_in_spite_of_the_cache(tmp_path):
    cache = Cache(tmp_path / "cache")
    folder = write_run(tmp_path / "runs" / "a")
    build(tmp_path / "runs", cache)
    data = bytearray((folder / RECORDS_FILE).read_bytes())
    data[100] ^= 1
    (folder / RECORDS_FILE).write_bytes(bytes(data))
    board = build(tmp_path / "runs", cache)
    assert [type(problem) for problem in board.problems] == [Problem]
    assert board.runs == ()


@pytest.mark.parametrize("change", ["code", "manifest"])
def test_what_a_figure_depends_on_is_in_the_key(tmp_path, evaluations, monkeypatch, change):
    cache = Cache(tmp_path / "cache")
    folder = write_run(tmp_path / "runs" / "a")
    build(tmp_path / "runs", cache)
    if change == "code":
        monkeypatch.setattr("leaderboard.results.cache.code_version", lambda: "another")
    if change == "manifest":
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        manifest["invalid"] = {"shapes:probe": "constant over the run"}
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    build(tmp_path / "runs", cache)
    assert evaluations == ["a", "a"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"[]",
        lambda data: data[:-1],
        lambda data: data.replace(b"0.", b"1.", 1),
        lambda data: data + b" ",
        lambda data: b"\xff" + data,
    ],
)
def test_a_corrupted_entry_is_ignored_and_replaced(tmp_path, evaluations, damage):
    cache = Cache(tmp_path / "cache")
    write_run(tmp_path / "runs" / "a", make_records(20))
    first = build(tmp_path / "runs", cache)
    (entry,) = (tmp_path / "cache").iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert build(tmp_path / "runs", cache) == first
    assert build(tmp_path / "runs", cache) == first
    assert evaluations == ["a", "a"]


def test_an_entry_under_the_name_of_another_is_ignored(tmp_path, evaluations):
    cache = Cache(tmp_path / "cache")
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name, make_records(20, seed=ord(name)))
    first = build(tmp_path / "runs", cache)
    one, other = (tmp_path / "cache").iterdir()
    one.write_bytes(other.read_bytes())
    assert build(tmp_path / "runs", cache) == first
    assert len(evaluations) == 3


def test_entries_that_a_build_did_not_ask_for_are_removed(tmp_path):
    cache = Cache(tmp_path / "cache")
    for name in ("a", "b"):
        write_run(tmp_path / "runs" / name, make_records(20, seed=ord(name)))
    build(tmp_path / "runs", cache)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    build(tmp_path / "runs" / "a", cache)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_cache_can_be_switched_off(tmp_path, capsys):
    write_run(tmp_path / "run", make_records(20))
    main(["build", str(tmp_path), "--no-cache"])
    assert not cache_folder(tmp_path).exists()
    main(["build", str(tmp_path)])
    assert len(list(cache_folder(tmp_path).iterdir())) == 1


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Stand-ins for the hashed packages, with a room inside a room."""
    for package in PACKAGES:
        inner = tmp_path / package / "room" / "inner"
        inner.mkdir(parents=True)
        for folder in (inner, inner.parent, inner.parent.parent):
            (folder / "__init__.py").write_text("")
        (inner / "figures.py").write_text("FACTOR = 1\n")
        (inner / "limits.toml").write_text("least = 30\n")
    monkeypatch.setattr(cache_module, "files", lambda package: tmp_path / package.__name__)
    return tmp_path


def version_now():
    code_version.cache_clear()
    try:
        return code_version()
    finally:
        code_version.cache_clear()


def test_the_same_code_has_the_same_version(packages):
    before = version_now()
    compiled = packages / "metrics" / "room" / "__pycache__"
    compiled.mkdir()
    (compiled / "figures.cpython-311.pyc").write_bytes(b"compiled")
    assert version_now() == before


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    "change",
    [
        lambda inner: (inner / "figures.py").write_text("FACTOR = 2\n"),
        lambda inner: (inner / "limits.toml").write_text("least = 20\n"),
        lambda inner: (inner / "more.py").write_text(""),
        lambda inner: (inner / "figures.py").unlink(),
        lambda inner: (inner / "figures.py").rename(inner.parent / "figures.py"),
        lambda inner: (inner.parent / "__init__.py").write_text("FACTOR = 1\n"),
    ],
    ids=["code", "data", "another file", "a file less", "a file moved", "the room's own file"],
)
def test_code_and_data_of_sub_folders_are_in_the_version(packages, package, change):
    before = version_now()
    change(packages / package / "room" / "inner")
    assert version_now() != before


def test_the_version_sees_the_real_packages():
    found = {
        name
        for package in PACKAGES
        for name, _ in cache_module._sources(cache_module.files(PACKAGES[package]), package)
    }
    assert {"metrics/__init__.py", "leaderboard/templates/tolerances.toml"} <= found
    assert not [name for name in found if "__pycache__" in name]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX permissions")
def test_an_entry_that_somebody_else_could_have_written_is_not_believed(tmp_path):
    cache, results = Cache(tmp_path / "own"), ()
    cache.put("key", results)
    assert cache.get("key") == results
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "own" / "key.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "own").chmod(0o777)
    assert cache.get("key") is None
    (tmp_path / "own").chmod(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    assert Cache(tmp_path / "link").get("key") is None
