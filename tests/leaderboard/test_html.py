import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from leaderboard.aggregate import build_board
from leaderboard.html import to_html
from leaderboard.read import read_runs
from tests.leaderboard.golden import make_records, write_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
VOID = {"meta", "input", "br"}
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u202eevil"


class Checker(HTMLParser):
    """Every element closed in order, ids unique, nothing fetched, no inline handlers."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            assert not name.startswith("on"), name
            assert name not in {"src", "srcset", "style"}, (tag, name)
            if name == "href":
                assert value.startswith("#"), value
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    return checker


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "a")
    write_run(folder / "b", make_records(120, seed=1), model={"name": "other", "family": "x"})
    write_run(folder / "c", make_records(40, task="sure", kinds=("all",), all_correct=True))
    write_run(folder / "d", schema_version=99)
    return build_board(read_runs([folder]), n_resamples=50)


def test_the_report_is_well_formed_and_self_contained(board):
    html = to_html(board, published=True)
    checker = check(html)
    assert checker.tags.count("script") == 1
    assert "http" not in "".join(checker.text)
    # a forest where a figure is defined, two profiles per run
    assert checker.tags.count("svg") == 1 + 2 * 3
    text = "".join(checker.text)
    for part in ("Overview", "Not in the tables", "schema_version 99", "Published figures"):
        assert part in text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: chromium)")
def test_the_report_runs_in_a_browser_without_complaint(board, tmp_path):
    page = tmp_path / "report.html"
    page.write_text(to_html(board), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(
        [CHROMIUM, *options], check=True, capture_output=True, text=True, timeout=120
    )
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count('<th scope="col"><button') == done.stdout.count('<th scope="col">')


def test_every_link_leads_somewhere(board):
    html = to_html(board)
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(check(html).ids)


def test_the_policy_admits_exactly_the_script_in_the_file(board):
    html = to_html(board)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_each_block_is_sorted_by_itself(board):
    table = re.search(r'<table id="signals-0".*?</table>', to_html(board), re.DOTALL).group()
    bodies = table.split("<tbody>")[1:]
    assert [("token confidence" in b, "answer" in b.lower() and "control" in b) for b in bodies][
        1:
    ] == [(True, False), (False, True)]


def test_hostile_text_stays_text(tmp_path):
    evil = [
        replace(
            record,
            prompt=HOSTILE + "x" * 50_000,
            answer=HOSTILE,
            target=HOSTILE,
            samples=[HOSTILE] * 3,
            group=HOSTILE + record.group,
            kind=HOSTILE,
            task=HOSTILE,
        )
        for record in make_records(40)
    ]
    write_run(tmp_path / "run", evil, model={"name": HOSTILE, "family": HOSTILE}, command=[HOSTILE])
    html = to_html(build_board(read_runs([tmp_path]), n_resamples=50))
    checker = check(html)
    assert checker.tags.count("script") == 1
    assert "img" not in checker.tags
    assert "\u202e" not in html
    assert "{{ 7*7 }}" in "".join(checker.text)
    assert len(html) < 400_000
