"""What is said of interventions: by the run, or, where it says nothing, by their names."""

import json

import pyarrow.parquet as pq
import pytest

from leaderboard.figures.robustness import figures, write_figures
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_run
from leaderboard.tables.formats import to_latex, to_markdown
from leaderboard.tables.robustness import tables
from metrics.errors import RecordError
from metrics.record.records import INTERVENTIONS_FILE, MANIFEST_FILE
from tests.leaderboard.helpers.sweeps import add_table, plateau, write_swept_run


def said(folder, words):
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text())
    manifest["sweeps"]["shapes"]["words"] = words
    path.write_text(json.dumps(manifest))
    return folder


def renamed(folder, name):
    """A folder whose masks are another intervention."""
    rows = pq.read_table(folder / INTERVENTIONS_FILE).to_pylist()
    for row in rows:
        if row["intervention"] == "mask_attention":
            row["intervention"], row["fill"] = name, "noise"
    add_table(folder, INTERVENTIONS_FILE, rows)
    return folder


def shown(*folders):
    board = build_board(map(read_run, folders))
    found = tables(board, "shapes")
    rows = [row[0].lines[0] for block in found[0].blocks for row in block.rows]
    return board, found, rows


def test_an_intervention_that_nobody_knows_is_named_as_it_stands(tmp_path):
    folder = renamed(write_swept_run(tmp_path / "run", plateau, n=60), "shake_image")
    board, _, rows = shown(folder)
    assert "shake_image, ranked, noise" in rows
    assert "shake_image, random, noise" in rows
    charts = figures(board, "shapes")
    assert any(chart.title.startswith("Shake_image, noise") for chart in charts)
    assert write_figures(board, tmp_path)


def test_the_run_says_what_its_interventions_are(tmp_path):
    words = {
        "what": "image shaken", "axis": "strength", "units": "",
        "choices": {"ranked": "hard"}, "fills": {"noise": "with noise"},
    }  # fmt: skip
    folder = renamed(write_swept_run(tmp_path / "run", plateau, n=60), "shake_image")
    board, _, rows = shown(said(folder, {"shake_image": words}))
    assert "image shaken, hard, with noise" in rows
    assert "residual dimensions ablated, ranked by probe weight, to zero" in rows
    assert "strength" in {chart.x_label for chart in figures(board, "shapes")}


def test_two_runs_that_say_it_differently_share_rows(tmp_path):
    one = write_swept_run(tmp_path / "one", plateau, n=60)
    two = write_swept_run(tmp_path / "two", plateau, n=60, name="other")
    said(two, {"mask_attention": {"what": "tokens hidden"}})
    assert not any("tokens hidden" in row for row in shown(one, two)[2])


def test_words_of_a_stranger_are_text_and_nothing_else(tmp_path):
    evil = "<b>$\\frac{1}$|\x1b[31m" + "x" * 500
    folder = said(
        write_swept_run(tmp_path / "run", plateau, n=60),
        {"mask_attention": {"what": evil, "axis": evil, "choices": {"ranked": evil}}},
    )
    board, found, rows = shown(folder)
    assert not any("\x1b" in row or len(row) > 250 for row in rows)
    for table in found:
        assert "$\\frac{1}$" not in to_markdown(table)
        assert "$\\frac{1}$" not in to_latex(table)
    assert write_figures(board, tmp_path)  # no formula for matplotlib either


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "sweeps.shapes.words must be an object"),
        ({"shake": "image"}, "sweeps.shapes.words.shake must be an object, got 'image'"),
        ({"shake": {}}, "sweeps.shapes.words.shake.what must be text, got 'None'"),
        ({"shake": {"what": 3}}, "sweeps.shapes.words.shake.what must be text, got '3'"),
        ({"shake": {"what": "x", "fills": []}}, "words.shake.fills must be an object"),
        ({"shake": {"what": "x", "choices": {"a": 1}}}, "words.shake.choices.a must be text"),
    ],
)
def test_words_of_another_form_are_refused_by_name(words, message, tmp_path):
    folder = said(write_swept_run(tmp_path / "run", plateau, n=20), words)
    with pytest.raises(RecordError, match=message) as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)
