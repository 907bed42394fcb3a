"""The controls of fitted signals, from the manifest to tables, CSV and JSON."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from leaderboard.report.export import to_csv, to_json
from leaderboard.results.aggregate import Board, evaluate_run
from leaderboard.runs.read import Run
from leaderboard.tables.fitted_controls import fitted_control_tables
from leaderboard.tables.formats import to_markdown
from tests.leaderboard.helpers.golden import make_manifest, make_records

SHUFFLED = [0.42, 0.5, 0.58, 0.5]
FIT = {"repeats": 4, "stderr": 0.01}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    rng = np.random.default_rng(0)
    records = [
        replace(
            r,
            signals=r.signals
            | {name: float(rng.normal() + 2 * r.correct) for name in ("bicr", "saplma", "probe_l1")}
            | {"bicr_blank": float(rng.normal()), "probe_blank": float(rng.normal())},
        )
        for r in make_records(400)
    ]
    fits = {
        "shapes:bicr": {**FIT, "shuffled": SHUFFLED},
        "shapes:saplma": {**FIT, "shuffled": [0.61, 0.6, 0.62, 0.61]},
        "shapes:probe_l1": FIT,  # of an older run
        "shapes:bicr_blank": FIT,
    }
    manifest = make_manifest(records, model={"name": "m"}, fits=fits)
    run = Run(tmp_path_factory.mktemp("run"), manifest, tuple(records))
    return Board((evaluate_run(run),))


def row(board, label):
    (table,) = fitted_control_tables(board, "shapes")
    (found,) = [r for b in table.blocks for r in b.rows if r[0].lines[0].startswith(label)]
    return found


def test_shuffled_labels_have_their_mean_interval_and_range(board):
    half = 3.182446 * np.std(SHUFFLED, ddof=1) / 2
    cell = row(board, "blank-image contrast")[2]
    assert cell.lines == (
        f"0.500 [{0.5 - half:.3f}, {0.5 + half:.3f}]", "0.420 … 0.580, 4 shuffles"
    )  # fmt: skip
    leak = row(board, "answer-state probe")[2]
    assert leak.lines[0].startswith("0.610 [0.597, 0.623]")
    assert row(board, "hidden-state probe (L1)")[2].state == "undefined"


def test_a_blank_control_is_that_of_the_signal_or_of_its_state(board):
    by_name = {s.name: s for s in board.runs[0].tasks[0].card.signals}
    for label, control in (
        ("blank-image contrast", "bicr_blank"),
        ("hidden-state probe (L1)", "probe_blank"),
    ):
        assert f"{by_name[control].auroc.value:.3f}" in row(board, label)[4].lines[0]
    cell = row(board, "answer-state probe")[4]
    assert cell.state == "undefined"
    assert "blank" in cell.notes[0]


def test_a_control_of_one_signal_is_a_bar_to_that_one_alone(board):
    contrasts = board.runs[0].tasks[0].card.contrasts
    assert {c.signal for c in contrasts if c.baseline == "bicr_blank"} == {"bicr"}
    assert len({c.signal for c in contrasts if c.baseline == "probe_blank"}) > 3
    less = next(c for c in contrasts if (c.signal, c.baseline) == ("saplma", "answer_only"))
    shown = f"{less.decisive.estimate.value:+.3f}".replace("-", "−")
    assert row(board, "answer-state probe")[3].lines[0].startswith(shown)


def test_the_card_the_csv_and_the_json_have_the_control(board):
    rows = [r for r in csv.DictReader(io.StringIO(to_csv(board))) if r["signal"] == "bicr"]
    (own,) = [r for r in rows if r["statistic"] == "shuffled_auroc"]
    assert float(own["value"]) == 0.5
    (signal,) = [
        s
        for s in json.loads(to_json(board))["runs"][0]["tasks"]["shapes"]["card"]["signals"]
        if s["name"] == "bicr"
    ]
    assert signal["shuffled_auroc"]["value"] == 0.5
    assert signal["fit"]["shuffled"] == SHUFFLED
    assert "Controls of what is fitted" in to_markdown(fitted_control_tables(board, "shapes")[0])


def test_a_run_without_fitted_signals_has_no_such_table(tmp_path):
    records = make_records(100)
    bare = [
        replace(r, signals={"token_confidence": r.signals["token_confidence"]}) for r in records
    ]
    run = Run(tmp_path, make_manifest(bare, model={"name": "m"}), tuple(bare))
    assert fitted_control_tables(Board((evaluate_run(run),)), "shapes") == []
