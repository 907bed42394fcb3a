"""The coverage that prediction sets reached, as the manifest has it; or one line."""

import pytest

from leaderboard.cli import main
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from leaderboard.tables.prediction_sets import prediction_set_tables
from tests.leaderboard.helpers.golden import make_records, write_run

FIGURES = {"goal": 0.9, "coverage": 0.9153, "mean_size": 1.25, "n": 160.0}


def test_a_row_for_each_rule_and_none_where_no_run_has_sets(tmp_path):
    figures = {"lac_set_size": FIGURES, "aps_set_size": {"coverage": None}, "invented": FIGURES}
    write_run(tmp_path / "in" / "a", make_records(), probe={"shapes": {"figures": figures}})
    write_run(tmp_path / "in" / "b", make_records())
    board = build_board(read_runs([tmp_path / "in"]))
    (table,) = prediction_set_tables(board, "shapes")
    (block,) = table.blocks
    shown = [[cell.lines[0] for cell in row] for row in block.rows]
    assert shown[0] == ["−prediction-set size (LAC)", "0.90", "0.915", "1.25", "160"]
    assert shown[1][1:] == ["–"] * 4
    assert len(shown) == 2
    only = build_board(read_runs([tmp_path / "in" / "b"]))
    assert prediction_set_tables(only, "shapes") == []


@pytest.mark.parametrize(
    "bad",
    [3, {"lac_set_size": 1}, *({"lac_set_size": {"coverage": own}} for own in ("high", -5, 1.5))],
)
def test_figures_of_another_form_are_one_line(tmp_path, capsys, bad):
    run = write_run(tmp_path / "a", make_records(), probe={"shapes": {"figures": bad}})
    assert main(["show", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "probe.shapes.figures" in line
