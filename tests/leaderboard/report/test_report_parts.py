"""The report's parts as markup, compared with what a person has looked at.

After a wanted change: ``UPDATE_SNAPSHOTS=1 pytest tests/leaderboard/report/test_report_parts.py``,
then look at the difference and at the report.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.report.html import make_environment, to_html
from leaderboard.report.sections import html_table
from leaderboard.results.aggregate import Board
from leaderboard.runs.read import read_run
from leaderboard.runs.samples import showcase_of
from leaderboard.tables.cells import Cell, estimate_cell, text_cell
from leaderboard.tables.table import Block, Table
from tests.leaderboard.helpers.cards import estimate, make_board
from tests.leaderboard.helpers.curved import pair
from tests.leaderboard.helpers.pictures import write_pictured_run

SNAPSHOTS = Path(__file__).parent / "snapshots"
PATTERNS = {
    "forest": r'<figure class="forest">.*?</figure>',
    "risk": r'<figure>\n<p class="title">Risk against coverage</p>.*?</figure>',
    "reliability": r'<figure>\n<p class="title">Reliability.*?</figure>',
    "layers": r'<figure>\n<p class="title">Margin of the true.*?</figure>',
    "comparison": r'<figure>\n<p class="title">Risk against coverage: token.*?</figure>',
    "sample": r'<details class="example">.*?</p>\n</div></div>\n</details>',
}


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    showcase = showcase_of(
        read_run(write_pictured_run(tmp_path_factory.mktemp("runs") / "run")), "shapes", n_shown=1
    )
    forest = make_board("first", "second").runs
    curves = [pair(name)[0] for name in ("third", "fourth")]
    with_samples = replace(forest[0], tasks=(replace(forest[0].tasks[0], showcase=showcase),))
    return to_html(Board((with_samples, forest[1], *curves)))


def check(part: str, found: str) -> None:
    snapshot = SNAPSHOTS / f"{part}.html"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(found, encoding="utf-8")
    assert found == snapshot.read_text("utf-8")


@pytest.mark.parametrize("part", PATTERNS)
def test_a_part_is_as_it_was(html, part):
    found = re.search(PATTERNS[part], html, re.DOTALL).group()
    # bytes of pictures are those of Pillow's version
    check(part, re.sub(r"base64,[A-Za-z0-9+/=]+", "base64,…", found) + "\n")


def test_a_table_is_as_it_was():
    rows = (
        (text_cell("<b>one</b>"), estimate_cell(estimate(0.75)), estimate_cell(estimate(None))),
        (text_cell("two", "lines"), Cell(("INVALID", "why"), state="invalid"), Cell(("–",))),
    )
    table = Table("key", "A title", ("row", "first", "second"), (Block("block", rows),), ("read",))
    module = make_environment().get_template("tables.html.j2").module
    check("table", str(module.table(html_table(table, "id"))) + "\n")
