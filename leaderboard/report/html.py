"""The report: one HTML file without network, every text from a run escaped by Jinja.

Script and style are part of the file; a content security policy admits that one script by its
hash, images from the file itself and nothing else, so that no text from a model or data set can
run even if it slipped by.
"""

from __future__ import annotations

import base64
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import leaderboard
from leaderboard.figures import charts, plots
from leaderboard.figures.heat import heat_of
from leaderboard.report.answer import answers_of
from leaderboard.report.browser import album_of
from leaderboard.report.glossary import glossary
from leaderboard.report.sections import html_table, section_of
from leaderboard.results.aggregate import Board
from leaderboard.results.arena import arena_of
from leaderboard.tables.arena import pooled_tables
from leaderboard.tables.overview import overview_table
from leaderboard.tables.published import published_table
from leaderboard.tables.signals import signals_table
from leaderboard.tables.text import clean

SCRIPTS = ("tables.js", "charts.js", "browser.js", "listing.js", "anchors.js")


def to_html(board: Board, *, published: bool = False) -> str:
    """Build the report.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add the published figures.

    Returns
    -------
    str
        One self-contained HTML document.
    """
    album = album_of(board)
    sections = [
        section_of(board, task, signals_table(board, task), number, album)
        for number, task in enumerate(board.tasks)
    ]
    environment = make_environment()
    arena = arena_of(board)
    answers = answers_of(board, arena)
    pooled = pooled_tables(board, published=published)
    script = "".join(_source(environment, name) for name in SCRIPTS)
    return environment.get_template("report.html.j2").render(
        answers={
            task: [a for a, t in zip(answers, _tasks(board), strict=True) if t == task]
            for task in board.tasks
        },
        heats={task: heat_of(board, task, arena[task]) for task in board.tasks},
        pooled=[html_table(table, f"pooled-{i}") for i, table in enumerate(pooled)],
        overview=html_table(overview_table(board), "overview"),
        sections=sections,
        published=html_table(published_table(), "published") if published else None,
        problems=[clean(problem) for problem in board.problems],
        runs=board.runs,
        album=album,
        plots=plots,
        charts=charts,
        style=Markup(_source(environment, "report.css")),
        script=Markup(script),
        script_hash=script_hash(script),
    )


def _tasks(board: Board) -> list[str]:
    """The task of each answer."""
    return [task for task in board.tasks for _ in board.of_task(task)]


def make_environment() -> Environment:
    """The templates: everything is escaped, an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader(leaderboard.__name__), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["clean"] = clean
    environment.globals["glossary"] = glossary()
    return environment


def script_hash(script: str) -> str:
    """Hash of the inline script for the content security policy, base64."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
