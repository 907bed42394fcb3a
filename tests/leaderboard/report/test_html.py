import base64
import hashlib
import re
from dataclasses import replace

import pytest

from leaderboard.report.html import to_html
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.leaderboard.helpers.html_checker import check
from tests.leaderboard.helpers.pictures import jpeg, write_pictured_run

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u202eevil"


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_pictured_run(folder / "a")
    write_run(folder / "b", make_records(120, seed=1), model={"name": "other", "family": "x"})
    write_run(folder / "c", make_records(40, task="sure", kinds=("all",), all_correct=True))
    write_run(folder / "d", schema_version=99)
    return build_board(read_runs([folder]))


def test_the_report_is_valid_and_self_contained(board):
    checker = check(to_html(board, published=True))
    assert "http" not in "".join(checker.text)
    text = "".join(checker.text)
    for part in ("Overview", "Not in the tables", "schema_version 99", "Published figures"):
        assert part in text


def test_every_kind_of_figure_is_there(board):
    html = to_html(board)
    titles = re.findall(r'<p class="title">(.*?)</p>', html)
    assert titles.count("Spatial entropy H_s / ln S") == 3
    assert titles.count("Attention mass on the image") == 3
    assert html.count('<figure class="forest">') == 1  # where a figure is defined
    assert html.count('<image class="map"') == 20
    assert html.count("<dt>Sampled answers</dt>") == 50


def test_the_policy_admits_exactly_the_script_in_the_file(board):
    html = to_html(board)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'; img-src data:;" in html


def test_each_block_is_sorted_by_itself(board):
    table = re.search(r'<table id="signals-0".*?</table>', to_html(board), re.DOTALL).group()
    bodies = table.split("<tbody>")[1:]
    of_confidence = [body for body in bodies if "token confidence" in body]
    of_controls = [body for body in bodies if "answer only" in body]
    assert len(of_confidence) == len(of_controls) == 1
    assert of_confidence != of_controls


def test_hostile_text_stays_text(tmp_path):
    evil = [
        replace(
            record,
            prompt=HOSTILE + "x" * 50_000,
            answer=HOSTILE,
            target=HOSTILE + "?",
            samples=[HOSTILE + str(k) for k in range(30)],
            normal_samples=[HOSTILE + str(k) for k in range(30)],
            group=HOSTILE + record.group,
            kind=HOSTILE,
            task=HOSTILE,
            signals=record.signals | {"probe": None},
            missing={"probe": HOSTILE},
        )
        for record in make_records(40)
    ]
    write_pictured_run(
        tmp_path / "run",
        evil,
        stored={HOSTILE: b"<svg onload=alert(1)>", "x": jpeg() + HOSTILE.encode()},
        model={"name": HOSTILE, "family": HOSTILE, "center_crop": HOSTILE},
        command=[HOSTILE],
    )
    html = to_html(build_board(read_runs([tmp_path])))
    checker = check(html)
    assert "\u202e" not in html
    assert "{{ 7*7 }}" in "".join(checker.text)
    assert "the stored bytes are no JPEG" in "".join(checker.text)
    assert len(html) < 600_000


def test_a_report_without_any_picture_curve_or_signal_is_a_report(tmp_path):
    bare = [
        replace(r, signals={}, layers={}, samples=[], normal_samples=[]) for r in make_records(40)
    ]
    write_run(tmp_path / "run", bare)
    check(to_html(build_board(read_runs([tmp_path]))))
