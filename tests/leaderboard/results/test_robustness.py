"""Planted sweeps come out as what was planted, in figures, tables and pictures."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from leaderboard.cli import main
from leaderboard.figures.robustness import figures, write_figures
from leaderboard.release.robustness import area_change
from leaderboard.results.aggregate import build_board
from leaderboard.results.robustness import summarise
from leaderboard.runs.read import read_run, read_runs
from leaderboard.runs.sweep_columns import CurveKey
from leaderboard.tables.cells import estimate_cell
from leaderboard.tables.formats import to_markdown, to_terminal
from leaderboard.tables.robustness import _curve_cell, _dose_cell, tables
from tests.leaderboard.helpers.golden import write_run
from tests.leaderboard.helpers.sweeps import bottleneck, plateau, write_swept_run


def summary(folder):
    return summarise(read_run(folder), "shapes")


def test_figures_are_those_of_the_rows(tmp_path):
    run = read_run(write_swept_run(tmp_path / "run", bottleneck))
    found = summarise(run, "shapes")
    rows = run.columns_of("interventions.parquet", task="shapes")
    own = (rows["intervention"] == "ablate_residual") & (rows["choice"] == "ranked")
    curve = found.curve(CurveKey("ablate_residual", 5, "zero", "share", "ranked"))
    clean = np.mean([r.correct for r in run.records])
    assert curve.doses == (0.1, 0.5)
    assert curve.start.value == pytest.approx(clean)
    for at, dose in enumerate(curve.doses):
        here = own & (rows["dose"] == dose)
        control = (
            (rows["intervention"] == "ablate_residual")
            & (rows["choice"] == "random")
            & (rows["dose"] == dose)
        )
        accuracy = rows["correct"][here].mean()
        assert curve.accuracy[at].value == pytest.approx(accuracy)
        assert curve.agreement[at].value == pytest.approx(rows["agrees"][here].mean())
        assert curve.logprob[at].value == pytest.approx(-0.5)
        assert curve.gaps[at].value == pytest.approx(accuracy - rows["correct"][control].mean())
        assert curve.drops[at].value == pytest.approx(accuracy - clean)
        assert curve.flips[at].lost.value == pytest.approx(clean - accuracy)
        assert curve.flips[at].gained.value == 0
    assert (found.n, found.n_groups) == (400, 100)
    assert found.n_errors == sum(r.correct == 0 for r in run.records)


def test_a_planted_bottleneck_and_a_plateau(tmp_path):
    cliff = summary(write_swept_run(tmp_path / "a", bottleneck))
    ((place, verdict),) = cliff.verdicts
    assert (place, verdict.word) == ("residual units of layer 5", "bottleneck")
    ranked = cliff.curve(CurveKey("ablate_residual", 5, "zero", "share", "ranked"))
    assert ranked.critical.value < 0.1 / 0.6 * 0.1
    assert ranked.area_gap.high < -0.2
    flat = summary(write_swept_run(tmp_path / "b", plateau))
    assert flat.verdicts[0][1].word == "distributed"
    assert flat.curve(ranked.key).critical.value > 0.1


def test_few_samples_or_no_ranking_cannot_tell(tmp_path):
    few = summary(write_swept_run(tmp_path / "few", lambda *a: 0.93, n=40))
    assert few.verdicts[0][1].word == "cannot tell"
    reason = "12 wrong answers to rank units on, 20 are needed"
    refused = summary(
        write_swept_run(
            tmp_path / "refused", plateau, choices=("random",),
            refused={"ranked residual units of layer 5": reason},
        )
    )  # fmt: skip
    assert (refused.verdicts[0][1].word, refused.verdicts[0][1].reason) == ("cannot tell", reason)


@pytest.mark.parametrize(
    ("swept", "reason"),
    [
        (64, "16 images only: no verdict below 20"),
        (78, "29 wrong answers only: no verdict below 30"),
    ],
)
def test_a_plateau_on_few_images_or_errors_is_no_verdict(tmp_path, swept, reason):
    for plan in (plateau, bottleneck):
        found = summary(write_swept_run(tmp_path / plan.__name__, plan, swept=swept))
        assert (found.verdicts[0][1].word, found.verdicts[0][1].reason) == ("cannot tell", reason)
    board = build_board(read_runs([tmp_path]))
    said = "16 images only, and below 20 intervals are too short" in to_markdown(
        tables(board, "shapes")[0]
    )
    assert said == (swept == 64)


def test_a_sweep_that_changed_nothing_shows_it_on_images_enough(tmp_path):
    words = {}
    for n in (160, 400):  # 40 and 100 images: 3 / 40 is more than five points
        words[n] = summary(write_swept_run(tmp_path / str(n), lambda *a: 1.0, n=n)).verdicts[0][1]
    assert (words[160].word, words[400].word) == ("cannot tell", "distributed")
    assert "no answer changed in 40 images" in words[160].reason


def test_a_sample_without_all_doses_is_left_out_of_its_curves_only(tmp_path):
    # the first sample's first row: ablate_residual, ranked, 0.1
    found = summary(write_swept_run(tmp_path / "run", bottleneck, drop={0}))
    whole = summary(write_swept_run(tmp_path / "whole", bottleneck))
    key = CurveKey("ablate_residual", 5, "zero", "share", "ranked")
    masks = CurveKey("mask_attention", -1, "block", "share", "ranked")
    assert found.curve(key).start != whole.curve(key).start
    assert found.curve(masks) == whole.curve(masks)


def test_runs_without_a_sweep_have_none(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    assert summarise(run, "shapes") is None
    board = build_board([run])
    assert (tables(board, "shapes"), figures(board, "shapes")) == ([], [])
    assert write_figures(board, tmp_path) == []


def test_area_change_between_two_releases(tmp_path):
    old = read_run(write_swept_run(tmp_path / "old", plateau))
    same = read_run(write_swept_run(tmp_path / "same", plateau))
    worse = read_run(
        write_swept_run(tmp_path / "worse", lambda i, c, d: 0.6 if c == "random" else 1.0)
    )
    assert area_change(old, same, "shapes", margin=0.05).value == 0
    change = area_change(old, worse, "shapes", margin=0.05)
    assert change.difference.estimate.high < -0.1
    assert change.difference.p_value < 1e-6
    assert (change.n, change.n_groups) == (400, 100)
    plain = read_run(write_run(tmp_path / "plain"))
    assert area_change(old, plain, "shapes", margin=0.05) is None


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_swept_run(folder / "a", bottleneck, name="tiny-llava")
    write_swept_run(folder / "b", plateau, name="tiny <qwen>", layer=4)
    return build_board(read_runs([folder]))


def test_tables_put_layers_of_different_models_in_one_row(board):
    (table,) = tables(board, "shapes")
    text = to_terminal(table)
    assert "layer 5" in text
    assert "layer 4" in text
    row = next(
        row
        for block in table.blocks
        for row in block.rows
        if row[0].lines[0].startswith("residual dimensions ablated, ranked")
    )
    assert [cell.lines[0] for cell in row[1:]] == ["layer 5", "layer 4"]
    words = next(row for block in table.blocks for row in block.rows if "units" in row[0].lines[0])
    assert [cell.lines[0] for cell in words[1:]] == ["bottleneck", "distributed"]
    assert "95 % intervals over images" in to_markdown(table)


def test_one_run_alone_shows_every_dose(tmp_path):
    write_swept_run(tmp_path / "run", bottleneck)
    alone = build_board(read_runs([tmp_path]))
    _, doses = tables(alone, "shapes")
    cells = [cell for block in doses.blocks for row in block.rows for cell in row[1:]]
    assert len(cells) == 2 * 2 * 2
    assert all("same" in cell.lines[1] for cell in cells)


def test_charts_per_model_and_of_all_models(board):
    found = figures(board, "shapes")
    titles = [plot.title for plot in found]
    assert sum("tiny-llava" in title for title in titles) == 2
    comparisons = [plot for plot in found if ":" not in plot.title]
    assert {tuple(line.name for line in plot.lines) for plot in comparisons} == {
        ("tiny-llava", "tiny <qwen>")
    }
    assert all(plot.lines[0].band for plot in found)


def test_picture_files_are_written_and_repeat(board, tmp_path):
    first = {path.name: path.read_bytes() for path in write_figures(board, tmp_path)}
    assert set(first) == {"robustness-shapes.svg", "robustness-shapes.png"}
    assert first["robustness-shapes.png"].startswith(b"\x89PNG")
    text = first["robustness-shapes.svg"].decode()
    ElementTree.fromstring(text)
    assert "tiny &lt;qwen&gt; (layer 4)" in text
    again = {path.name: path.read_bytes() for path in write_figures(board, tmp_path)}
    assert first == again


def test_the_command_line_writes_everything(tmp_path):
    write_swept_run(tmp_path / "run", bottleneck)
    assert main(["build", str(tmp_path)]) == 0
    assert "Robustness on shapes" in (tmp_path / "leaderboard.md").read_text("utf-8")
    assert (tmp_path / "robustness-shapes.png").exists()
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "bottleneck" in report
    assert "share of the image tokens" in report
    stored = json.loads((tmp_path / "leaderboard.json").read_text("utf-8"))
    sweep = stored["runs"][0]["tasks"]["shapes"]["robustness"]
    assert sweep["verdicts"][0][1]["word"] == "bottleneck"
    assert len(sweep["curves"]) == 4


def test_intervals_of_few_images_say_so_wherever_they_stand(tmp_path):
    run = read_run(write_swept_run(tmp_path / "run", bottleneck))
    found = summarise(run, "shapes")
    note = "9 images only: below 20 an interval may be too short"

    def few(estimate):
        return replace(estimate, note=note)

    key = CurveKey("ablate_residual", 5, "zero", "share", "ranked")
    curve = found.curve(key)
    shown = replace(
        curve,
        area=few(curve.area),
        area_gap=few(curve.area_gap),
        critical=replace(curve.critical, note=note),
        accuracy=tuple(map(few, curve.accuracy)),
        gaps=tuple(map(few, curve.gaps)),
    )
    assert _curve_cell(shown).notes == (note,)
    assert _dose_cell(shown, 0.1).notes == (note,)
    assert _curve_cell(curve).notes == ()
    assert estimate_cell(few(curve.start)).notes == (note,)
