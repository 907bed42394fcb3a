"""What tables say of signals beside figures: who was left out, what was fitted, in which unit."""

from dataclasses import replace

import pytest

from leaderboard.report.contents import all_tables
from leaderboard.report.html import to_html
from leaderboard.report.parts import SUMMARIES
from leaderboard.results.workers import evaluate_paths
from leaderboard.tables.formats import to_terminal
from tests.leaderboard.helpers.golden import make_records, write_run

LACKED = "hidden-state probe (L2) (missing on 20 of 160 samples)"


def lacking(records, name, n):
    """The records, of which the last ``n`` have no such signal."""
    return [
        replace(
            record,
            signals={k: v for k, v in record.signals.items() if k != name},
            missing={**record.missing, name: "lost"},
        )
        if number >= len(records) - n
        else record
        for number, record in enumerate(records)
    ]


def board_of(folder, records):
    write_run(folder / "run", records)
    return evaluate_paths([folder], summaries=SUMMARIES)


@pytest.fixture(scope="module")
def lacked(tmp_path_factory):
    return board_of(tmp_path_factory.mktemp("lacked"), lacking(make_records(), "probe", 20))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return board_of(tmp_path_factory.mktemp("whole"), make_records())


def texts(board):
    return {table.key: " ".join(to_terminal(table).split()) for table in all_tables(board)}


def test_who_has_no_rank_for_missing_samples_is_named(lacked, whole):
    assert f"Not ranked, of tiny-llava: {LACKED}." in texts(lacked)["ranks-signals-shapes"]
    assert "Not ranked" not in texts(whole)["ranks-signals-shapes"]


def test_who_is_not_compared_for_the_best_is_named(lacked, whole):
    said = "not compared, since missing on too many samples: hidden-state probe (L2)"
    assert said in texts(lacked)["overview"]
    assert "not compared, since missing" not in texts(whole)["overview"]


def test_what_was_fitted_on_labels_is_marked(whole):
    shown = texts(whole)["signals-shapes"]
    assert "hidden-state probe (L2) † " in shown
    assert "token confidence †" not in shown
    assert "†: fitted on labels of other images" in shown
    assert "needs no label" not in to_html(whole)


def test_fitted_scores_are_shown_as_log_odds(whole):
    (run,) = whole.runs
    (result,) = run.tasks
    values = {s.name: s for e in result.showcase.examples for s in e.signals}
    assert {name for name, s in values.items() if s.unit} == {"probe"}
    assert " log-odds</td>" in to_html(whole)
