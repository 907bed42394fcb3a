from dataclasses import replace

import pytest

from leaderboard.report.contents import all_tables
from leaderboard.results.published import FIGURES
from leaderboard.tables.cells import absence
from leaderboard.tables.formats import to_latex, to_markdown, to_terminal
from leaderboard.tables.overview import overview_table
from leaderboard.tables.published import published_table
from leaderboard.tables.signals import run_table, signals_table
from leaderboard.tables.table import transposed
from tests.leaderboard.helpers.cards import SIGNALS, estimate, make_board, signal


def body(text: str) -> list[str]:
    """Rows of a Markdown table, its head and rule left out."""
    return [line for line in text.splitlines() if line.startswith("|")][2:]


def test_signals_table_head_and_facts():
    lines = to_markdown(signals_table(make_board("m", "n"), "shapes")).splitlines()
    assert lines[:6] == [
        "## Signals on shapes",
        "",
        "| signal | m | n |",
        "| --- | --- | --- |",
        "| n / images / errors | 200 / 50 / 60 | 200 / 50 / 60 |",
        r"| accuracy | 0.700 \[0.650, 0.750\] | 0.700 \[0.650, 0.750\] |",
    ]


def test_signals_table_keeps_the_blocks_apart_and_the_declared_order():
    assert body(to_markdown(signals_table(make_board("m"), "shapes")))[2:] == [
        r"| *attention (deployable)* |  |",
        r"| attention sharpness (−H\_s) | INVALID<br>constant over the run |",
        r"| *confidence (deployable)* |  |",
        r"| token confidence | 0.750 \[0.700, 0.800\]<br>in kind 0.625 \[0.575, 0.675\] |",
        r"| first-token margin | 0.700 \[0.650, 0.750\]<br>in kind 0.600 \[0.550, 0.650\] |",
        r"| *consistency (deployable)* |  |",
        r"| self-consistency (S\_SC) | 0.900 \[0.850, 0.950\]<br>in kind 0.800 \[0.750, 0.850\]"
        "<br>n 190/200 |",
        r"| *control* |  |",
        r"| answer only | 0.600 \[0.550, 0.650\]<br>in kind – (1) |",
    ]


def test_an_oracle_signal_has_its_own_block():
    oracle = signal("truth_margin", 0.99, 0.99, access="oracle", family="lens")
    blocks = signals_table(make_board("m", signals=(*SIGNALS, oracle)), "shapes").blocks
    assert [block.title for block in blocks] == [
        "",
        "attention (deployable)",
        "confidence (deployable)",
        "consistency (deployable)",
        "lens (oracle)",
        "control",
    ]
    assert [row[0].lines for row in blocks[4].rows] == [("truth margin, last layer",)]


def test_one_kind_has_no_within_kind_line():
    text = to_markdown(signals_table(make_board("m", kinds=("all",)), "shapes"))
    assert "in kind" not in text
    assert r"| token confidence | 0.750 \[0.700, 0.800\] |" in text


def test_an_interval_of_another_kind_says_so():
    perfect = replace(estimate(1.0), note="nothing varies")
    signals = (replace(signal("probe", 1.0, 0.9), auroc=perfect),)
    text = to_markdown(signals_table(make_board("m", signals=signals), "shapes"))
    assert "(1) nothing varies" in text


def test_undefined_figures_share_a_footnote_and_few_errors_are_marked():
    signals = (
        signal("spatial_entropy", None),
        signal("token_confidence", None, warning="fewer than 30 errors (12)"),
        signal("probe", 0.8, 0.7, warning="fewer than 30 errors (12)"),
    )
    text = to_markdown(signals_table(make_board("m", signals=signals, kinds=("all",)), "shapes"))
    assert body(text)[2:] == [
        r"| *attention (deployable)* |  |",
        r"| attention sharpness (−H\_s) | – (1) |",
        r"| *confidence (deployable)* |  |",
        r"| token confidence | – (1) |",
        r"| *probe (deployable)* |  |",
        r"| hidden-state probe (L2) † | 0.800 \[0.750, 0.850\] ! (2) |",
    ]
    assert r"(1) one class only: no wrong answer" in text
    assert r"(2) fewer than 30 errors (12)" in text


def test_a_signal_that_one_run_lacks_says_so():
    board = make_board("m")
    other = make_board("n", signals=(signal("probe", 0.8, 0.7),))
    joint = type(board)(board.runs + other.runs)
    text = to_markdown(signals_table(joint, "shapes"))
    assert r"| hidden-state probe (L2) † | – (1) | 0.800" in text
    assert r"(1) not recorded in this run" in text


def test_overview_row():
    (row,) = body(to_markdown(overview_table(make_board("m"))))
    assert row.strip("| ").split(" | ") == [
        "m",
        "llava",
        "1.2 M",
        "shapes",
        "200 / 50 / 60",
        r"0.700 \[0.650, 0.750\]",
        "– (1)",
        r"token confidence<br>0.750 \[0.700, 0.800\]<br>in kind 0.625 \[0.575, 0.675\]",
        r"0.900 \[0.850, 0.950\]<br>in kind 0.800 \[0.750, 0.850\]<br>n 190/200",
        "INVALID<br>constant over the run",
        r"– (2)",
        "4 s/answer<br>1 GiB",
    ]


def test_no_best_signal_is_named_below_thirty_errors():
    weak = tuple(signal(s.name, 0.9, 0.9, warning="fewer than 30 errors") for s in SIGNALS)
    cell = overview_table(make_board("m", signals=weak)).blocks[0].rows[0][7]
    assert cell.lines == ("–",)
    assert cell.notes == (
        "no best signal is named: none is defined on 30 right and 30 wrong answers",
    )


def test_the_best_signal_goes_by_the_figure_within_kinds_where_they_are_mixed():
    signals = (signal("token_confidence", 0.9, 0.55), signal("probe", 0.7, 0.65))
    mixed = overview_table(make_board("m", signals=signals)).blocks[0].rows[0][7]
    single = overview_table(make_board("m", signals=signals, kinds=("all",))).blocks[0].rows[0][7]
    assert mixed.lines[0] == "hidden-state probe (L2)"
    assert single.lines[0] == "token confidence"


def test_terminal_overview_on_its_side():
    assert to_terminal(transposed(overview_table(make_board("m")))).splitlines()[:11] == [
        "Overview",
        "",
        "model                m",
        "-------------------  ----------------------------",
        "family               llava",
        "size                 1.2 M",
        "benchmark            shapes",
        "n / images / errors  200 / 50 / 60",
        "accuracy             0.700 [0.650, 0.750]",
        "beat all controls    – (1)",
        "best single-pass     token confidence",
    ]


def test_run_table_shows_every_statistic_and_the_baseline():
    board = make_board("m")
    table = run_table(board.runs[0], board.runs[0].tasks[0])
    text = to_terminal(table)
    assert text.splitlines()[0] == (
        "m on shapes: n 200, 50 images, 60 errors, accuracy 0.700 [0.650, 0.750]"
    )
    assert "its baseline is the error rate, 0.300." in " ".join(text.split())
    row = next(line for line in text.splitlines() if line.startswith("self-consistency"))
    assert row.split("  ")[1:] != []
    assert "0.450 [0.400, 0.500]" in row
    assert "190 / 200" in row


def test_latex_is_balanced_and_escaped():
    text = to_latex(signals_table(make_board(r"a_b & \input{x} 50%"), "shapes"))
    assert r"\textbf{a\_b \& \textbackslash{}input\{x\} 50\%}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    assert r"\multicolumn{2}{l}{\textit{oracle" not in text


def test_published_figures_only_on_request_and_marked():
    board = make_board("m")
    assert "published" not in [table.key for table in all_tables(board)]
    table = all_tables(board, published=True)[-1]
    assert table == published_table()
    assert "not measured here" in table.title
    assert "arXiv 2606.17389" in table.notes[0]
    assert len(table.blocks[0].rows) == len(FIGURES)


@pytest.mark.parametrize("convert", [to_terminal, to_markdown, to_latex])
def test_hostile_names_cannot_break_a_table(convert):
    name = "<script>alert(1)</script>|\n## x\x1b[31m\u202e" + "a" * 10_000
    text = convert(signals_table(make_board(name), "shapes"))
    assert not set(text) & {"\x1b", "\u202e"}
    assert len(text) < 6000
    if convert is to_markdown:
        assert "<script" not in text
        assert "\n## x" not in text


def test_rows_of_undeclared_signals_keep_the_order_of_the_card():
    """A set of names has another order in every process."""
    names = [f"bar {letter}" for letter in "qwertyuiop"]
    board = make_board("m", signals=tuple(signal(name, 0.6) for name in names))
    rows = body(to_markdown(signals_table(board, "shapes")))
    assert [row.split("|")[1].strip() for row in rows if "bar" in row] == names


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no answers were asked for (k=0)", "not asked for"),
        ("it was not asked for (extra=ptrue)", "not asked for"),
        ("no probe of another run was given (probe=…)", "not asked for"),
        ("no other model has compared the answers (vrp-leaderboard rescore)", "not asked for"),
        ("access to text alone does not offer it", "not offered"),
        ("the server says: bad request (400)", "not offered"),
    ],
)
def test_what_a_setting_would_bring_was_not_asked_for(reason, words):
    assert absence(reason) == words
