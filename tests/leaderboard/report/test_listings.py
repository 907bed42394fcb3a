import itertools
import json
import re
from dataclasses import replace

import pytest

from leaderboard.report.export import to_json
from leaderboard.report.html import to_html
from leaderboard.report.listings import listing_of
from leaderboard.report.parts import SUMMARIES
from leaderboard.results.aggregate import build_board
from leaderboard.results.listing import LISTING, NAMES, evenly
from leaderboard.runs.read import read_run
from tests.leaderboard.helpers.chromium import Page, needs_chromium
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.html_checker import check


def board_of(folder, records):
    return build_board([read_run(write_run(folder / "run", records))], SUMMARIES)


def records():
    found = make_records(40)
    found[3] = replace(
        found[3],
        prompt="</td><script>alert(1)</script>",
        signals=dict.fromkeys(found[3].signals),
        missing=dict.fromkeys([*found[3].signals, "score"], "the answer is empty"),
        correct=None,
        score=None,
    )
    return found


def test_five_hundred_of_many_are_evenly_spread():
    assert evenly(3, 500) == [0, 1, 2]
    found = evenly(1234, 500)
    assert (len(found), found[0], len(set(found))) == (500, 0, 500)
    assert {b - a for a, b in itertools.pairwise(found)} <= {2, 3}


def test_every_answer_is_there_with_its_values(tmp_path):
    own = records()
    board = board_of(tmp_path, own)
    (result,) = board.runs[0].tasks
    view = listing_of(board.runs[0], result, 1)
    assert view.n == len(view.rows) == 40
    shown = [name for name in NAMES if name in own[0].signals]
    assert len(view.signals) == len(shown)
    for row, record in zip(view.rows, own, strict=True):
        assert row.right == ("-" if record.correct is None else str(record.correct))
        assert view.kinds[row.kind] == record.kind
        assert row.values == tuple(record.signals.get(name) for name in shown)


def test_many_runs_share_the_rows_of_a_report(tmp_path):
    board = board_of(tmp_path, make_records(800))
    (result,) = board.runs[0].tasks
    assert result.further[LISTING.key].n == 800
    assert len(listing_of(board.runs[0], result, 1).rows) == 500
    assert len(listing_of(board.runs[0], result, 30).rows) == 200


def test_text_of_a_sample_is_escaped_and_ids_are_unique(tmp_path):
    html = to_html(board_of(tmp_path, records()))
    check(html)
    assert "<script>alert" not in html
    (text,) = re.findall(r'<pre class="values" id="run-0-0-rows">(.*?)</pre>', html, re.DOTALL)
    _, *lines = text.split("\n")
    assert [line.split("\t")[0] for line in lines] == [str(n) for n in range(40)]
    assert len({line.count("\t") for line in lines}) == 1


def test_the_list_is_not_in_the_json(tmp_path):
    data = json.loads(to_json(board_of(tmp_path, records())))
    assert LISTING.key not in data["runs"][0]["tasks"]["shapes"]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("list")
    path = folder / "report.html"
    path.write_text(to_html(board_of(folder, records())), encoding="utf-8")
    return path


SHOWN = "[...document.querySelectorAll('#run-0-0-list tbody tr')].filter((row) => !row.hidden)"


def choose(page, field, value):
    page.run(
        f"(() => {{ const f = document.querySelector('#run-0-0-all [data-by={field}]');"
        f"f.value = '{value}'; f.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )


@needs_chromium
def test_a_browser_filters_by_right_kind_and_signal_and_follows_links(file, tmp_path):
    own = records()
    with Page(tmp_path / "profile") as page:
        page.show(width=1200, height=900)
        page.open(file)
        page.run("document.getElementById('run-0-0-all').open = true")
        choose(page, "right", "0")
        hostile = "[...document.querySelectorAll('#run-0-0-list tbody tr')][3].cells[0].textContent"
        assert "</td><script>alert(1)</script>" in page.run(hostile)
        wrong = [r for r in own if r.correct == 0]
        assert page.run(f"{SHOWN}.length") == len(wrong)
        choose(page, "kind", "0")
        first_kind = [r for r in wrong if r.kind == own[0].kind]
        assert page.run(f"{SHOWN}.length") == len(first_kind)
        choose(page, "signal", "0")
        name = next(name for name in NAMES if name in own[0].signals)
        shown = {r.doc_id: float(f"{r.signals[name]:.6g}") for r in first_kind}  # in the file
        least = sorted(shown.values())[1]
        choose(page, "least", least)
        expected = [r.doc_id for r in first_kind if shown[r.doc_id] >= least]
        assert page.run(f"{SHOWN}.map((row) => row.cells[0].textContent.split(' ')[0])") == expected
        choose(page, "right", "")
        choose(page, "least", "")
        of_kind = [r for r in own if r.kind == own[0].kind and r.signals[name] is not None]
        assert page.run(f"{SHOWN}.length") == len(of_kind)
        page.run("document.querySelectorAll('#run-0-0-list thead button')[5].click()")
        values = [r.signals[name] for r in own if r.signals[name] is not None]
        best = page.run("document.querySelectorAll('#run-0-0-list tbody tr td')[4].dataset.sort")
        assert float(best) == pytest.approx(max(values), rel=1e-5)
        page.open(file)  # nothing is filled anew
        page.run("location.hash = '#run-0-0-s7'")
        assert page.run(
            "new Promise((done) => setTimeout(() => done("
            "document.getElementById('run-0-0-s7').closest('details').open), 500))"
        )
        assert page.console == []
