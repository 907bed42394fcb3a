"""The command ``plan``: its arguments, and the table that it prints."""

from __future__ import annotations

import argparse
from pathlib import Path

from leaderboard.arguments import Commands, share
from leaderboard.planning.plan import Needed, Wanted, plan_of
from leaderboard.policies.choose import the_task
from leaderboard.runs.read import Run
from leaderboard.tables.cells import Cell, number_cell, text_cell, undefined_cell
from leaderboard.tables.formats import terminal_width, to_terminal
from leaderboard.tables.table import Block, Table, task_title
from leaderboard.tables.text import clean

COLUMNS = (
    "comparison", "here", "could see", "design effect", "images", "questions",
    "one an image",
)  # fmt: skip
READING = (
    "images, questions: needed to find a true difference of {difference:g} with {power:.0%} power "
    "at the two-sided level {alpha:.3g}, with as many questions an image as here; one an image: "
    "questions, if each had an image of its own. here, could see: the difference in this run, and "
    "the smallest true one that it would have found. design effect: by how much the variance is "
    "larger since answers about one image go together. Another model: if both models' errors had "
    "nothing in common; fewer questions do where they have."
)


def add_plan(commands: Commands) -> argparse.ArgumentParser:
    """The arguments of ``plan``."""
    parser = commands.add_parser(
        "plan",
        help="how many questions and images a comparison needs",
        description="From the clustering of a run that is there: how many images and questions "
        "would show a difference. Exit code 0; 2: the run cannot be used.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run like the one to come")
    parser.add_argument(
        "--difference", type=share, default=0.03, help="to be found (default: 0.03)"
    )
    parser.add_argument("--power", type=share, default=0.8, help="chance to find it (0.8)")
    parser.add_argument("--confidence", type=share, default=0.95, help="default: 0.95")
    parser.add_argument(
        "--comparisons",
        type=_count,
        default=1,
        help="tested together: each at its share of the level (Bonferroni; default: 1)",
    )
    parser.add_argument(
        "--signal", action="append", default=[], help="compare this one with token confidence"
    )
    parser.add_argument("--task", help="which task of the run, if it has several")
    return parser


def plan(arguments: argparse.Namespace, run: Run) -> tuple[str, int]:
    """What is needed; what to print, and the exit code."""
    task = the_task(run, arguments.task)
    alpha = (1 - arguments.confidence) / arguments.comparisons
    wanted = Wanted(arguments.difference, max(arguments.power, 2 * alpha), alpha)
    needed = plan_of(run, task, arguments.signal, wanted)
    return to_terminal(plan_table(task, run.model, needed, wanted), terminal_width()), 0


def plan_table(task: str, model: str, needed: list[Needed], wanted: Wanted) -> Table:
    """One row a comparison."""
    reading = READING.format(difference=wanted.difference, power=wanted.power, alpha=wanted.alpha)
    counted = [(own.n, own.n_groups) for own in needed if own.n]
    n, n_groups = max(counted, default=(0, 0))
    title = f"{task_title('How many questions', task)}, as {clean(model, limit=60)} answers"
    here = f"here: {n} answers to questions about {n_groups} images."
    rows = tuple(_row(own) for own in needed)
    return Table(f"plan-{task}", title, COLUMNS, (Block("", rows),), (reading, here))


def _row(own: Needed) -> tuple[Cell, ...]:
    name = text_cell(own.comparison, limit=100)
    if own.reason is not None:
        missing = undefined_cell(own.reason)
        return (name, *(missing for _ in COLUMNS[1:]))
    notes = () if own.note is None else (clean(own.note),)
    value = Cell(("",)) if own.value is None else number_cell(own.value, "{:+.3f}")
    return (
        Cell(name.lines, notes=notes),
        value,
        number_cell(own.detectable),
        number_cell(own.design_effect, "{:.2f}"),
        *(number_cell(count, "{:,.0f}") for count in (own.images, own.questions, own.alone)),
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10**6):
        raise argparse.ArgumentTypeError(f"must be a number from 1 to a million, got {text!r}")
    return int(text)
