from dataclasses import replace

import pytest

from leaderboard.report.contents import all_tables, card_tables
from leaderboard.results.cost_front import cost_points
from leaderboard.tables.card import (
    calibration_tables,
    consistency_tables,
    fusion_tables,
    selective_tables,
)
from leaderboard.tables.controls import controls_tables
from leaderboard.tables.cost import cost_tables
from leaderboard.tables.formats import to_latex, to_markdown, to_terminal
from leaderboard.tables.lens import lens_tables, mean_curve
from leaderboard.tables.transfer import transfer_tables
from tests.leaderboard.helpers.cards import make_board, signal
from tests.leaderboard.helpers.full_card import calibrated, full_board, fused


def rows(table) -> list[list[str]]:
    """A table's rows as Markdown cells, headings of blocks included."""
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_calibration_lists_every_probability_and_why_one_is_missing():
    (table,) = calibration_tables(full_board(), "shapes")
    # Brier and its skill lead; ECE stands beside its floor and its test
    assert table.columns[3:8] == (
        "Brier skill", "Brier", "ECE, debiased", "plug-in / floor", "p (calibrated)",
    )  # fmt: skip
    assert rows(table) == [
        [
            "m", "token confidence", "platt", r"0.100 \[0.090, 0.110\]", r"0.200 \[0.190, 0.210\]",
            r"0.040 \[0.030, 0.050\]", "0.060 / 0.030", "0.012", r"0.050 \[0.040, 0.060\]", "200",
        ],
        ["m", "probe", "platt", "– (1)", "", "", "", "", "", ""],
    ]  # fmt: skip
    assert "(1) one class only" in to_markdown(table)


def test_a_probability_without_a_test_says_why():
    untested = replace(calibrated(), p_value=None, p_reason="12 wrong answers only: no test")
    (table,) = calibration_tables(full_board(probabilities=(untested,)), "shapes")
    assert rows(table)[0][7] == "– (1)"
    assert "(1) 12 wrong answers only: no test" in to_markdown(table)


def test_selective_prediction_shows_the_coverage_that_ties_gave():
    (table,) = selective_tables(full_board(), "shapes")
    found = rows(table)
    assert [row[1] for row in found] == [
        r"attention sharpness (−H\_s)", "token confidence", r"self-consistency (S\_SC)", "fusion",
    ]  # fmt: skip
    assert found[0][2] == "INVALID (1)"
    assert found[1][4] == r"0.125 \[0.075, 0.175\]"
    assert found[1][6] == r"0.750 \[0.700, 0.800\]<br>at 90.0%"
    assert found[1][7] == r"0.725 \[0.675, 0.775\]"


def test_fusion_shows_weights_with_their_spread_and_who_was_left_out():
    table, weights = fusion_tables(full_board(), "shapes")
    (row,) = rows(table)
    assert row[1] == "all signals"
    assert row[4] == "190 / 200 (1)"
    assert r"(1) left out: spatial\_entropy (INVALID)" in to_markdown(table)
    assert weights.columns == ("signal", "all signals")
    assert rows(weights) == [
        ["*m*", ""],
        ["token confidence", "+0.50 ± 0.10"],
        [r"self-consistency (S\_SC)", "−0.25 ± 0.05"],
    ]
    (table,) = fusion_tables(full_board(fusion=(fused("one class only"),)), "shapes")
    assert rows(table)[0][2:] == ["– (1)", "", ""]


def test_consistency_by_number_of_samples():
    board = full_board()
    (table,) = consistency_tables(board, "shapes")
    assert table.columns == (
        "model",
        "k = 2",
        "k = 10",
        "right where all agree",
        "n where all agree",
    )
    assert rows(table)[0][1:] == [
        r"0.600 \[0.550, 0.650\]", r"0.700 \[0.650, 0.750\]", r"0.900 \[0.850, 0.950\]", "120",
    ]  # fmt: skip


def test_controls_stand_beside_leakage_and_the_marked_protocol_of_the_paper():
    (table,) = controls_tables(full_board(), "shapes")
    found = {row[0]: row[1] for row in rows(table) if len(row) > 1}
    assert found["answer only"].startswith("0.600")
    assert found["shuffled labels"] == ("0.510 ± 0.026 (0.480 … 0.530)<br>3 shuffles, p 0.25")
    assert found["leakage: by row → by image"] == (
        "0.820 ± 0.010 → 0.610 ± 0.020<br>difference +0.211 ± 0.022, 20 splits"
    )
    assert found["protocol “paper” (for comparison only)"] == (
        "0.910 ± 0.030<br>20 splits, mostly layer 3"
    )
    assert found["probe, as reported"] == "– (2)"


def test_bars_of_one_split_are_said_to_be():
    board = full_board()
    run = board.runs[0]
    old = {"leakage": {"row_split": 0.82, "grouped_split": 0.61}, "paper": {"auroc": 0.91}}
    manifest = replace(run.manifest, probe={"shapes": old})
    (table,) = controls_tables(replace(board, runs=(replace(run, manifest=manifest),)), "shapes")
    found = {row[0]: row[1] for row in rows(table) if len(row) > 1}
    assert found["leakage: by row → by image"].startswith("0.820 → 0.610 (")
    assert found["protocol “paper” (for comparison only)"].startswith("0.910<br>layer –")
    assert "of one split, by an older version" in to_markdown(table)


def test_a_run_without_a_probe_has_dashes_with_the_reason():
    (table,) = controls_tables(make_board("m"), "shapes")
    found = {row[0]: row[1] for row in rows(table) if len(row) > 1}
    assert found["leakage: by row → by image"].startswith("– (")
    assert "the run fitted no probe" in to_markdown(table)


def test_a_control_of_the_probe_that_is_undefined_says_why_as_recorded():
    board = full_board()
    run = board.runs[0]
    manifest = replace(run.manifest, probe={"shapes": {"leakage_undefined": "12 errors"}})
    (table,) = controls_tables(replace(board, runs=(replace(run, manifest=manifest),)), "shapes")
    assert "12 errors" in to_markdown(table)


def test_transfer_is_a_matrix_per_run():
    (table,) = transfer_tables(full_board(), "shapes")
    assert table.columns == ("fitted on / scored on", "shapes", "pope")
    assert rows(table) == [["shapes", "0.800", "– (1)"], ["pope", "0.550", "0.700"]]
    assert "(1) one class only on pope" in to_markdown(table)
    assert transfer_tables(full_board(), "pope") == []


def test_lens_summarises_the_mean_curve_and_keeps_the_oracle_apart():
    board = full_board()
    # 30 samples with (0, 0, 4, 3) and 10 with (0, 0, 0, 1): mean (0, 0, 3, 2.5)
    assert mean_curve(board.runs[0].tasks[0], "answer_margin").tolist() == [0, 0, 3, 2.5]
    (table,) = lens_tables(board, "shapes")
    assert rows(table) == [
        ["*margin of the given answer (deployable)*", "", "", "", "", "", ""],
        ["m", "+3.00", "2", "+2.50", "1", "3", "75.0%"],
        ["*margin of the true answer (oracle: needs the label)*", "", "", "", "", "", ""],
        ["m", "+3.00", "3", "+3.00", "–", "none", ""],
    ]


def test_the_front_holds_what_nothing_as_cheap_reaches():
    signals = (
        signal("token_confidence", 0.7, 0.6),
        signal("first_token_margin", 0.8, 0.5),  # by the figure within kinds it is behind
        signal("self_consistency", 0.9, 0.8),
        signal("probe", 0.75, 0.55),  # needs labels and tells less than token confidence
        signal("truth_margin", 0.99, 0.99),  # oracle
        signal("spatial_entropy", None, invalid="constant"),
    )
    run = make_board("m", signals=signals).runs[0]
    points = [
        (p.name, p.passes, p.needs_labels, p.on_front) for p in cost_points(run, run.tasks[0])
    ]
    assert points == [
        ("token_confidence", 1, False, True),
        ("first_token_margin", 1, False, False),
        ("probe", 1, True, False),
        ("self_consistency", 11, False, True),
    ]


def test_equal_signals_of_equal_cost_are_both_on_the_front():
    signals = (signal("token_confidence", 0.7, 0.6), signal("min_token_confidence", 0.7, 0.6))
    run = make_board("m", signals=signals).runs[0]
    assert [point.on_front for point in cost_points(run, run.tasks[0])] == [True, True]


def test_a_fusion_with_samples_costs_the_samples():
    board = full_board()
    points = cost_points(board.runs[0], board.runs[0].tasks[0])
    assert [(p.passes, p.needs_labels) for p in points if p.name == "fusion"] == [(11, True)]


def test_cost_is_what_the_run_measured():
    measured, front = cost_tables(full_board(), "shapes")
    assert rows(measured) == [["m", "1.2 M", "1", "1 + 10 samples", "4", "1.00 GiB", "4"]]
    assert [row[1:5] + row[6:] for row in rows(front)] == [
        ["1", "0", "none", "token confidence", "yes"],
        ["11", "0", "none", r"self-consistency (S\_SC)", "yes"],
        ["11", "0", "needed", "fusion", "yes"],
    ]
    run = full_board().runs[0]
    settings = run.manifest.settings | {"blank_image": True}
    blank = replace(run, manifest=replace(run.manifest, settings=settings))
    measured, _ = cost_tables(replace(full_board(), runs=(blank,)), "shapes")
    assert rows(measured)[0][2] == "2, one of a blank image"
    bare = replace(full_board(), runs=(replace(run, manifest=replace(run.manifest, cost={})),))
    assert rows(cost_tables(bare, "shapes")[0])[0][4:] == ["– (1)"] * 3


def test_what_a_server_bills_stands_beside_what_a_run_measures():
    board = full_board()
    (run, *_) = board.runs
    billed = {"requests": 30, "prompt_tokens": 1000, "completion_tokens": 50, "n_samples": 10}
    grey = replace(run.manifest, cost=billed)
    black = replace(run.manifest, model=run.manifest.model | {"access": "text"})
    three = [run, *(replace(run, manifest=manifest) for manifest in (grey, black))]
    measured, _ = cost_tables(replace(board, runs=tuple(three)), "shapes")
    assert measured.columns[-2:] == ("requests / answer", "tokens / answer")
    inside, served, text = measured.blocks[0].rows
    assert [cell.lines for cell in served[-2:]] == [("3",), ("100 in", "5 out")]
    assert (inside[-1].notes, text[-1].notes) == (("no server was asked",),) * 2
    assert "server's affair" in served[2].notes[0]
    k = run.manifest.settings["k"]
    assert (inside[2].lines, text[2].lines) == (("1",), (str(1 + k),))


def test_the_card_of_a_run_holds_every_part_and_so_does_the_whole():
    board = full_board()
    card = [table.key for table in card_tables(board)]
    parts = [
        "controls-shapes", "calibration-shapes", "selective-shapes", "fusion-shapes",
        "weights-shapes", "consistency-shapes", "lens-shapes",
        "transfer-m-shapes", "cost-shapes", "front-shapes",
    ]  # fmt: skip
    assert [key for key in card if key in parts] == parts
    assert card[0] == "run-m-shapes"
    whole = [table.key for table in all_tables(board)]
    assert [key for key in whole if key in parts] == parts
    assert len(set(whole)) == len(whole)


def test_a_card_without_parts_has_no_empty_table():
    for table in all_tables(make_board("m")):
        assert any(block.rows for block in table.blocks), table.key


@pytest.mark.parametrize("convert", [to_terminal, to_markdown, to_latex])
def test_hostile_names_cannot_break_a_part(convert):
    hostile = "<script>|\n## x\x1b[31m\u202e"
    fusion = replace(fused(), left_out=((hostile, hostile),))
    signals = (signal("spatial_entropy", None, invalid=hostile),)
    for table in all_tables(full_board(hostile, fusion=(fusion,), signals=signals)):
        text = convert(table)
        assert not set(text) & {"\x1b", "\u202e"}
        if convert is to_markdown:
            assert "<script" not in text
            assert "\n## x" not in text
