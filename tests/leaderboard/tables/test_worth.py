"""Copies in one row, adjusted p-values, and what beats its controls."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from leaderboard.figures.plots import forest
from leaderboard.report.export import to_csv, to_json
from leaderboard.report.html import to_html
from leaderboard.results.aggregate import Board, evaluate_run
from leaderboard.results.cost_front import cost_points
from leaderboard.results.screen import Screen, p_beats, p_behind, worth_of
from leaderboard.runs.read import Run
from leaderboard.tables.copies import rows_of
from leaderboard.tables.formats import to_markdown
from leaderboard.tables.overview import overview_table
from leaderboard.tables.ranks import rank_tables
from leaderboard.tables.signals import run_table, signals_table
from leaderboard.tables.worth import worth_tables
from metrics.card.card import Contrast
from metrics.comparison.differences import Difference
from metrics.scores.bootstrap import Estimate
from tests.leaderboard.helpers.golden import make_manifest, make_records


def with_copies(records, names=("min_token_confidence", "first_token_probability")):
    """Answers of one token: the mean, the least and the first probability are one."""
    return [
        replace(
            r,
            signals=r.signals
            | {names[0]: r.signals["token_confidence"]}
            | {names[1]: float(np.exp(r.signals["token_confidence"]))},
        )
        for r in records
    ]


def evaluated(tmp_path, *per_task, name="m"):
    records = [record for own in per_task for record in own]
    run = Run(tmp_path, make_manifest(records, model={"name": name}), tuple(records))
    return evaluate_run(run)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    shapes = with_copies(make_records(600, strength=2.0))
    other = with_copies(make_records(400, task="other", strength=0.5, seed=1))
    return Board((evaluated(folder, shapes, other),))


def first_lines(table):
    return [row[0].lines for block in table.blocks for row in block.rows]


COPIES = ("= min token confidence", "= first-token probability")


def test_copies_stand_in_one_row_everywhere(board):
    run, result = board.of_task("shapes")[0]
    expected = ("token confidence", *COPIES)
    for table in (signals_table(board, "shapes"), run_table(run, result)):
        assert expected in first_lines(table)
        assert not any(lines[0] in ("min token confidence",) for lines in first_lines(table))
    ranks = rank_tables(board, "shapes")[0]
    assert expected in first_lines(ranks)
    assert {row[1].lines[0].split(" of ")[1] for row in ranks.blocks[0].rows} == {"4"}
    assert "min token confidence" not in {row.label for row in forest(board, "shapes").rows}
    assert all(row.marks or row.is_heading for row in forest(board, "shapes").rows)
    assert "= min token confidence" in to_markdown(signals_table(board, "shapes"))
    assert "= min token confidence" in to_html(board)
    assert result.ranking.rank_of("first_token_probability") == result.ranking.rank_of(
        "token_confidence"
    )
    names = {point.name for point in cost_points(run, result)}
    assert "token_confidence" in names
    assert "min_token_confidence" not in names


def test_a_copy_in_one_run_only_keeps_its_row(tmp_path):
    one = evaluated(tmp_path, with_copies(make_records(200)), name="m")
    records = make_records(200)
    rng = np.random.default_rng(3)
    other = [
        replace(r, signals=r.signals | {"min_token_confidence": -float(rng.exponential())})
        for r in records
    ]
    two = evaluated(tmp_path, other, name="n")
    board = Board((one, two))
    assert rows_of([r.card for _, r in board.of_task("shapes")])["token_confidence"] == (
        "first_token_probability",
    )
    text = to_markdown(signals_table(board, "shapes"))
    row = next(line for line in text.splitlines() if line.startswith("| min token confidence"))
    assert row.split(" | ")[1] == "copy (1)"
    assert "(1) ranks as token confidence does" in text


def test_p_values_are_adjusted_over_signals_and_benchmarks_once_per_copy(board):
    (run,) = board.runs
    raw = {
        (result.task, s.name): s.p_value
        for result in run.tasks
        for s in result.card.signals
        if s.access == "deployable" and s.copy_of is None
    }
    assert len(raw) == 8
    # the probes' runs kept no repeats of the fit, so no interval and no test is about the fit
    assert {name for (_, name), p in raw.items() if p is None} == {"probe"}
    raw = {key: p for key, p in raw.items() if p is not None}
    assert run.screen.signals == pytest.approx(
        dict(zip(raw, false_discovery_control(list(raw.values())), strict=True))
    )


def test_contrasts_are_adjusted_per_baseline(board):
    (run,) = board.runs
    baselines = {c.baseline for result in run.tasks for c in result.card.contrasts}
    assert baselines == {"token_confidence", "answer_only", "kind_only", "question_only"}
    for baseline in baselines:
        raw = {
            (result.task, c.signal, c.baseline): c.p_value
            for result in run.tasks
            for c in result.card.contrasts
            if c.baseline == baseline
        }
        adjusted = multipletests(list(raw.values()), method="holm")[1]
        found = {key: p for key, p in run.screen.contrasts.items() if key in raw}
        assert found == pytest.approx(dict(zip(raw, adjusted, strict=True)))


def test_the_csv_holds_tests_copies_and_differences(board):
    (run,) = board.runs
    rows = list(csv.DictReader(io.StringIO(to_csv(board))))
    found = {(r["task"], r["signal"], r["statistic"]): r for r in rows}
    assert len(found) == len(rows)
    decisive = found["shapes", "token_confidence", "within_kind_auroc"]
    assert float(decisive["p_adjusted"]) == run.screen.signals["shapes", "token_confidence"]
    assert found["shapes", "token_confidence", "auroc"]["p_value"] == ""
    copy = found["shapes", "min_token_confidence", "within_kind_auroc"]
    assert (copy["copy_of"], copy["p_adjusted"]) == ("token_confidence", "")
    assert copy["value"] == decisive["value"]
    contrast = found["shapes", "spatial_entropy", "within_kind_auroc_less_token_confidence"]
    assert float(contrast["value"]) < 0
    assert (
        float(contrast["p_adjusted"])
        == run.screen.contrasts["shapes", "spatial_entropy", "token_confidence"]
    )
    verdict = found["shapes", "token_confidence", "beats_controls"]
    assert verdict["reason"] == "yes"
    assert float(verdict["p_adjusted"]) == run.screen.beats["shapes", "token_confidence"]
    data = json.loads(to_json(board))
    task = data["runs"][0]["tasks"]["shapes"]
    assert task["adjusted"]["signals"]["token_confidence"] == float(decisive["p_adjusted"])
    assert len(task["adjusted"]["contrasts"]) == len(task["card"]["contrasts"])


def contrast(baseline, value, p=0.5, no_verdict=None):
    found = Difference(Estimate(value, value - 0.1, value + 0.1, 0.05, None), p, 0.1)
    return Contrast("probe", baseline, found, None, 200, 50, 60, no_verdict)


@pytest.mark.parametrize(
    ("values", "p_values", "beats", "behind"),
    [
        ((0.2, 0.1), (0.01, 0.02), 0.02, 1.0),
        ((0.2, -0.1), (0.01, 0.02), 1.0, 0.04),
        ((-0.2, -0.1), (0.01, 0.90), 1.0, 0.02),
        ((0.2, 0.1), (0.01, None), 1.0, 1.0),
        ((-0.2, -0.1), (0.8, 0.9), 1.0, 1.0),
    ],
)
def test_every_control_has_to_be_beaten_and_one_is_enough_to_be_behind(
    values, p_values, beats, behind
):
    names = ("kind_only", "answer_only")
    contrasts = [contrast(n, v, p) for n, v, p in zip(names, values, p_values, strict=True)]
    assert (p_beats(contrasts), p_behind(contrasts)) == (beats, behind)
    assert p_beats([*contrasts, contrast("probe_blank", 0.1, no_verdict="few")]) is None


@pytest.mark.parametrize(
    ("beats", "behind", "verdict", "p_value"),
    [
        (0.02, 1.0, "yes", 0.02),
        (0.06, 1.0, "cannot tell", 0.06),
        (1.0, 0.02, "no", 0.02),
        (None, None, "cannot tell", None),
    ],
)
def test_verdicts(beats, behind, verdict, p_value):
    key = "t", "probe"
    own = ({key: p} if p is not None else {} for p in (beats, behind))
    contrasts = [contrast("kind_only", 0.2), contrast("answer_only", 0.1)]
    found = worth_of("t", [*contrasts, contrast("token_confidence", -0.4)], Screen({}, {}, *own))
    assert (found.verdict, found.p_value) == (verdict, p_value)
    assert found.least.baseline == "answer_only"


def test_without_controls_there_is_no_verdict():
    nothing = Difference(Estimate.undefined("one class"), None, None)
    undefined = replace(contrast("kind_only", 0.1), difference=nothing)
    assert (
        worth_of("t", [undefined, contrast("token_confidence", 0.1)], Screen({}, {}, {}, {}))
        is None
    )


def test_the_table_says_what_beats_its_controls(board):
    (table,) = worth_tables(board, "shapes")
    cells = {row[0].lines[0]: [cell.lines for cell in row[1:]] for row in table.blocks[0].rows}
    assert cells["token confidence"][0] == ("yes", "p < 0.001")
    assert cells["token confidence"][2] == ("",)
    assert cells["attention sharpness (−H_s)"][0][0] in ("cannot tell", "no")
    assert cells["attention sharpness (−H_s)"][2][1] == "p < 0.001"
    assert "within kinds" in table.notes[0]
    overview = overview_table(board)
    cell = overview.blocks[0].rows[0][overview.columns.index("beat all controls")]
    assert cell.lines[1] in cells
    assert cell.lines[0].endswith(f"of {len(cells)}")


def test_few_errors_give_differences_but_no_verdict(tmp_path):
    records = make_records(200)
    records = [
        replace(r, correct=int(i >= 20), score=float(i >= 20)) for i, r in enumerate(records)
    ]
    board = Board((evaluated(tmp_path, records),))
    (table,) = worth_tables(board, "shapes")
    row = table.blocks[0].rows[0]
    assert row[1].lines == ("–",)
    assert row[1].notes == ("20 wrong answers only: no verdict below 30",)
    assert not any(line.startswith("p ") for cell in row for line in cell.lines)
    assert board.runs[0].screen.contrasts == {}


def test_the_best_signal_is_the_best_on_common_samples(tmp_path):
    """Highest on the samples that it has, since the hard ones are those that it lacks."""
    rng = np.random.default_rng(0)
    records = make_records(1000, kinds=("all",), strength=2.0)
    wrong = [r for r in records if not r.correct]
    hardest = sorted(wrong, key=lambda r: -r.signals["token_confidence"])[:45]
    names = {r.doc_id for r in hardest}
    records = [
        replace(
            r,
            signals=r.signals
            | {
                "first_token_margin": None
                if r.doc_id in names
                else float(np.exp(r.signals["token_confidence"] - 0.03 * rng.exponential()))
            },
            missing={"first_token_margin": "?"} if r.doc_id in names else {},
        )
        for r in records
    ]
    run = evaluated(tmp_path, records)
    signals = {s.name: s for s in run.tasks[0].card.signals}
    assert signals["first_token_margin"].auroc.value > signals["token_confidence"].auroc.value
    common = run.tasks[0].card.common
    assert common.n == 955
    table = overview_table(Board((run,)))
    cell = table.blocks[0].rows[0][table.columns.index("best single-pass")]
    assert cell.lines[0] == "token confidence"
    shown = common.of("token_confidence", mixed=False)
    assert cell.lines[1].startswith(f"{shown.value:.3f}")
    front = {point.name: point.figure for point in cost_points(run, run.tasks[0])}
    assert front["token_confidence"] == shown


def test_those_that_share_the_best_rank_are_counted(board):
    table = overview_table(board)
    column = table.columns.index("best single-pass")
    other = next(row for row in table.blocks[0].rows if row[3].lines == ("other",))[column]
    assert other.lines[-1].endswith("not told from it")
