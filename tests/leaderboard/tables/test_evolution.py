"""Attention through the layers, and the cluster grid where a run scored one."""

import math

from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from leaderboard.tables.evolution import evolution_tables
from tests.leaderboard.helpers.golden import make_records, write_run


def test_the_descriptors_are_those_of_the_mean_curve(tmp_path):
    records = make_records(40)
    for record in records:
        record.layers["spatial_entropy"][:] = [4.0, 1.5, 3.0, 2.0, 2.5, 3.5]
    write_run(tmp_path / "run", records)
    board = build_board(read_runs([tmp_path]))
    (table,) = evolution_tables(board, "shapes")
    (row,) = table.blocks[0].rows
    unit = math.log(64)
    shown = [cell.lines[0] for cell in row[1:]]
    assert shown == [
        f"{4 / unit:.3f}", f"{3.5 / unit:.3f}", "1", f"−{2.5 / unit:.3f}", f"{1 / unit:+.3f}", "1"
    ]  # fmt: skip


def test_a_cluster_grid_is_shown_and_an_undefined_cell_says_why(tmp_path):
    grid = {"epsilons": [1.0, 1.5], "shares": [0.1], "n": 40, "auroc": [[0.61], [None]]}
    write_run(tmp_path / "run", make_records(40), probe={"shapes": {"cluster_grid": grid}})
    board = build_board(read_runs([tmp_path]))
    *_, table = evolution_tables(board, "shapes")
    assert table.columns == ("radius", "10% of the cells")
    assert [row[1].lines[0] for row in table.blocks[0].rows] == ["0.610", "–"]
    assert "same count" in table.blocks[0].rows[1][1].notes[0]
