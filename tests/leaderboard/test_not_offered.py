"""A signal that a setting left out: said as such, and no reason to refuse a release check."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from leaderboard.errors import IncomparableError
from leaderboard.release.compare import compare_runs
from leaderboard.release.outputs import comparison_as_junit, gates_table
from leaderboard.release.tolerances import read_tolerances
from leaderboard.report.export import to_csv
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import Run, read_runs
from leaderboard.tables.formats import to_markdown
from leaderboard.tables.signals import run_table, signals_table
from tests.leaderboard.helpers.golden import make_manifest, make_records, write_run

LEFT_OUT = ("self_consistency", "probe")
SETTINGS = {"k": 0, "temperature": 0.7, "top_p": 0.9, "seed": 0, "hidden_dtype": "none"}
NOT_ASKED = {
    "shapes:self_consistency": "k=0 draws no samples",
    "shapes:probe": "hidden_dtype=none keeps no hidden states",
}


def lean_records(n=240, **options):
    """What a run with k=0,hidden_dtype=none records."""
    return [
        replace(
            r,
            samples=[],
            normal_samples=[],
            signals={n: v for n, v in r.signals.items() if n not in LEFT_OUT},
        )
        for r in make_records(n, **options)
    ]


def lean_run(tmp_path, n=240, **changes):
    records = lean_records(n)
    fields = {"settings": SETTINGS, "not_offered": NOT_ASKED} | changes
    return Run(tmp_path, make_manifest(records, **fields), tuple(records))


def test_tables_and_csv_say_that_it_is_not_offered(tmp_path):
    write_run(tmp_path / "run", lean_records(), settings=SETTINGS, not_offered=NOT_ASKED)
    board = build_board(read_runs([tmp_path]))
    run, result = board.of_task("shapes")[0]
    for table in (signals_table(board, "shapes"), run_table(run, result)):
        text = to_markdown(table)
        assert "INVALID" not in text
        assert text.count("not offered") == 2
        assert "k=0 draws no samples" in text
    rows = [line for line in to_csv(board).splitlines() if ",self_consistency," in line]
    assert rows
    assert all("not offered: k=0 draws no samples" in row for row in rows)


def test_the_default_check_passes_over_its_gates(tmp_path):
    comparison = compare_runs(lean_run(tmp_path, 800), lean_run(tmp_path, 800), read_tolerances())
    verdicts = {gate.change.gate: gate.verdict for _, gate in comparison.gates}
    assert verdicts["auroc.self_consistency"] == verdicts["auroc.probe"] == "not offered"
    assert verdicts["auroc.token_confidence"] == "unchanged within margin"
    assert not comparison.has_regressed
    text = to_markdown(gates_table(comparison, comparison.tasks[0]))
    assert "k=0 draws no samples in the old run; k=0 draws no samples in the new run" in text
    suite = ElementTree.fromstring(comparison_as_junit(comparison))
    skipped = {case.get("name") for case in suite if case.find("skipped") is not None}
    assert {"auroc.self_consistency", "auroc.probe"} <= skipped


@pytest.mark.parametrize("broken", ["token_confidence", "self_consistency"])
def test_an_invalid_signal_is_refused_as_before(tmp_path, broken):
    settings = SETTINGS | {"k": 10, "hidden_dtype": "float16"}
    run = lean_run(
        tmp_path, settings=settings, not_offered={}, invalid={f"shapes:{broken}": "constant"}
    )
    with pytest.raises(IncomparableError, match=rf"{broken} on shapes is INVALID"):
        compare_runs(run, run, read_tolerances())


def test_a_gate_that_one_run_left_out_is_passed_over_and_says_which(tmp_path):
    records = make_records(240)
    full = Run(tmp_path, make_manifest(records), tuple(records))
    comparison = compare_runs(full, lean_run(tmp_path), read_tolerances(), allow_different=True)
    gates = {gate.change.gate: gate for _, gate in comparison.gates}
    assert gates["auroc.probe"].verdict == "not offered"
    reason = gates["auroc.probe"].change.reason
    assert reason == "hidden_dtype=none keeps no hidden states in the new run"
