"""The pages: short at the front, links that lead somewhere, tables that a script wrote."""

import re
import tomllib
from pathlib import Path

import pytest

from benchmarks import demo_table
from leaderboard.report.export import to_csv
from leaderboard.results.aggregate import build_board
from leaderboard.runs.read import read_runs
from tests.leaderboard.helpers.golden import make_records, write_run

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    + [p for room in ("leaderboard", "metrics", "vrp_tasks") for p in (ROOT / room).rglob("*.md")]
)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
FIGURE = re.compile(r"[01]\.\d{3} \[[01]\.\d{3}, [01]\.\d{3}\]")


def prose(page: Path) -> str:
    """A page without its fenced blocks and inline code, in which brackets are no links."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "x", text)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.S | re.M)
    heads = re.findall(r"^#+ +(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken(page: Path) -> list[str]:
    wrong = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        inside = found.is_relative_to(ROOT) and found.exists()
        if not inside or (anchor and anchor not in anchors(found)):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert broken(page) == []


def test_a_broken_link_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# What it *costs*, in `s`\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#what-it-costs-in-s) [b](none.md) [![c](no.svg)](other.md#none) `[d](e)` "
        "[f](#top) [g](../outside.md) [h](https://example.org)\n```\n[i](j)\n```\n"
    )
    assert broken(page) == ["none.md", "other.md#none", "#top", "../outside.md"]


def test_every_page_is_in_the_index_and_the_readme():
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    for page, prefix in ((ROOT / "docs" / "index.md", ""), (ROOT / "README.md", "docs/")):
        linked = {target.partition("#")[0] for target in LINK.findall(prose(page))}
        assert {f"{prefix}{name}" for name in names} <= linked


def test_the_architecture_draws_and_describes_every_room():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = [c for c in contracts["contracts"] if c["name"].startswith("rooms of")]
    rooms = {room for c in layers for layer in c["layers"] for room in layer.split(" | ")}
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert len(rooms) > 30
    assert [room for room in sorted(rooms) if f"`{room}`" not in text] == []
    drawn = set(re.findall(r"\w+", text.split("```mermaid")[1].split("```")[0]))
    small = {"__main__", "arguments", "cache_folder", "errors", "faults", "hashing", "output"}
    small |= {"own_packages", "place", "whole_files"}
    assert rooms - drawn == small


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 80


def test_the_readme_quotes_the_results():
    few, full = (_figures(ROOT / name) for name in ("README.md", "docs/results.md"))
    assert len(few) == 20  # five signals of four models
    assert set(few) <= set(full)


def test_the_words_quote_the_results():
    """Each figure of the words with an interval is one of the table, digit by digit."""
    text = (ROOT / "docs" / "results.md").read_text("utf-8")
    words = " ".join(text.split(demo_table.END)[1].split("## How to read it")[0].split())
    quoted = FIGURE.findall(words)
    assert len(quoted) > 3
    assert set(quoted) <= set(_figures(ROOT / "docs" / "results.md"))


def _figures(page: Path) -> list[str]:
    text = page.read_text("utf-8")
    return FIGURE.findall(text.split(demo_table.START)[1].split(demo_table.END)[0])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "run", make_records(240, task=demo_table.TASK))
    board = build_board(read_runs([folder]))
    return board, demo_table.read(to_csv(board).splitlines())


def test_the_tables_say_what_the_card_says(found):
    board, cells = found
    card = board.runs[0].tasks[0].card
    assert list(cells) == ["tiny-llava"]
    lines = demo_table.full(cells)
    assert f"| n / images / errors | 240 / {card.n_groups} / {card.n_errors} |" in lines
    own, kind = (
        f"{e.value:.3f} [{e.low:.3f}, {e.high:.3f}]"
        for e in (card.signal("probe").auroc, card.signal("probe").within_kind_auroc)
    )
    assert f"| `probe` | {own}<br>in kind {kind} |" in lines
    assert "| `attention_mlp` | – |" in lines  # not in this run
    probe = f"| a probe on its hidden states (`probe`) | {kind} |"
    assert probe in demo_table.few(cells)


def test_a_table_is_written_between_its_marks(found):
    _, cells = found
    page = f"# Head\n\n{demo_table.START}\n| old |\n{demo_table.END}\n\nAfter.\n"
    lines = demo_table.few(cells)
    new = demo_table.with_table(page, lines)
    assert new.splitlines()[3:-3] == lines
    assert new.startswith("# Head\n")
    assert new.endswith(f"{demo_table.END}\n\nAfter.\n")
    assert demo_table.with_table(new, lines) == new
