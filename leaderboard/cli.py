"""The command line: parses arguments, prints, writes files; figures come from elsewhere."""

from __future__ import annotations

import argparse
import errno
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
from safetensors import SafetensorError

from leaderboard.errors import LeaderboardError
from leaderboard.output import anew, cache_folder
from leaderboard.planning.command import add_plan, plan
from leaderboard.policies.commands import add_apply, add_threshold, apply, threshold
from leaderboard.policies.policy import read_policy
from leaderboard.release.command import add_compare
from leaderboard.release.compare import compare_runs
from leaderboard.release.outputs import (
    comparison_as_json,
    comparison_as_junit,
    comparison_tables,
    summary,
)
from leaderboard.release.tolerances import read_tolerances
from leaderboard.report.answer import answer_lines
from leaderboard.report.contents import terminal_tables
from leaderboard.report.guarded import guarded
from leaderboard.report.parts import SUMMARIES
from leaderboard.report.waiting import evaluated_at_times, said_at_times
from leaderboard.report.written import shown_cards, write_all
from leaderboard.rescoring.command import add_rescore
from leaderboard.rescoring.folder import rescore_folder, target_of
from leaderboard.rescoring.outside import similarities_of
from leaderboard.results.aggregate import Board
from leaderboard.results.cache import Cache
from leaderboard.results.workers import evaluate_paths
from leaderboard.runs.read import UNEXPECTED, Run, find_run_folders, read_run, unexpected
from leaderboard.tables.formats import terminal_width, to_markdown, to_terminal
from leaderboard.tables.table import Table
from leaderboard.tables.text import clean, escape_markdown
from metrics.errors import RecordError

REGRESSED = 1
NOTHING_READ = 2
UNDECIDED = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0; 1 when ``compare`` found a regression; 2 when nothing could be read, compared or written;
        3 when ``compare --strict`` found no regression, and a gate that cannot tell.
    """
    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 still gets its table
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:
        # What reads our output has seen enough: the interpreter must not flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        output = getattr(arguments, "output", None)
        where = error.filename or output or "to the terminal"
        return _fail(f"cannot write {where}: {error.strerror or error}. Choose another -o.")
    except LeaderboardError as error:
        return _fail(clean(error))
    except (*UNEXPECTED, pa.ArrowException) as error:  # 1 would say that something regressed
        return _fail(clean(unexpected(error)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vrp-leaderboard", description="How well does each signal tell right from wrong?"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('vrp-tasks')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="tables and a report of all runs below the paths")
    build.add_argument("paths", nargs="+", type=Path, metavar="RUNS", help="folders with runs")
    build.add_argument("-o", "--output", type=Path, help="where to write (default: first path)")
    build.add_argument("--published", action="store_true", help="add the papers' figures")
    build.add_argument(
        "--no-cache", action="store_true", help="evaluate every run anew, and keep nothing"
    )
    build.set_defaults(run=_build)
    show = commands.add_parser("show", help="one run's card")
    show.add_argument("paths", nargs="+", type=Path, metavar="RUN", help="folders with runs")
    show.set_defaults(run=_show)
    add_compare(commands).set_defaults(run=_compare)
    add_rescore(commands).set_defaults(run=_rescore)
    add_threshold(commands).set_defaults(run=_of_one_run("choose a threshold", threshold))
    add_apply(commands).set_defaults(run=_of_one_run("apply the policy", apply))
    add_plan(commands).set_defaults(run=_of_one_run("plan", plan))
    return parser


def _build(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output or _folder_of(arguments.paths[0])
    if output.exists() and not output.is_dir():  # said before anything is computed
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(output))
    cache = None if arguments.no_cache else Cache(cache_folder(output), SUMMARIES)
    with evaluated_at_times() as progress:
        board = evaluate_paths(
            arguments.paths,
            cache=cache,
            summaries=SUMMARIES,
            progress=progress,
            within=said_at_times(),
        )
    if not board.runs:
        return _nothing_read(board, arguments.paths)
    with tempfile.TemporaryDirectory(prefix="vrp-leaderboard-") as scratch:
        board, made = guarded(board, partial(write_all, arguments.published, Path(scratch)))
        output.mkdir(parents=True, exist_ok=True)
        for file in made.iterdir():
            shutil.copyfile(file, anew(output / file.name))
    shown = terminal_tables(board, published=arguments.published)
    _print_tables(shown)
    for problem in board.problems:
        _print(f"not in the tables: {clean(problem)}")
    _print("\n" + "\n".join(answer_lines(board, terminal_width())))
    _print(f"\nAll tables: {output / 'leaderboard.md'}; one run's: vrp-leaderboard show RUN")
    _print(str(output / "report.html"))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with evaluated_at_times() as progress:
        board = evaluate_paths(
            arguments.paths, summaries=SUMMARIES, progress=progress, within=said_at_times()
        )
    if not board.runs:
        return _nothing_read(board, arguments.paths)
    board, tables = guarded(board, shown_cards)
    _print_tables(tables)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    try:
        tolerances = read_tolerances(arguments.tolerances)
        old, new = _side(arguments.old, "OLD"), _side(arguments.new, "NEW")
        comparison = compare_runs(
            old,
            new,
            tolerances,
            allow_different=arguments.allow_different,
            policies=[read_policy(path) for path in arguments.policy],
        )
    except (RecordError, LeaderboardError, OSError) as error:
        return _fail(f"cannot compare: {clean(error)}")
    except UNEXPECTED as error:
        return _fail(f"cannot compare: {clean(unexpected(error))}")
    tables = comparison_tables(comparison)
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        markdown = "# Release check\n\n" + escape_markdown(summary(comparison)) + "\n\n"
        markdown += "\n".join(to_markdown(table) for table in tables)
        contents = {
            "compare.md": markdown,
            "compare.json": comparison_as_json(comparison),
            "compare.xml": comparison_as_junit(comparison),
        }
        for name, text in contents.items():
            anew(arguments.output / name).write_text(text, encoding="utf-8", newline="\n")
    _print_tables(tables)
    _print(f"\n{summary(comparison)}")
    if comparison.has_regressed:
        return REGRESSED
    return UNDECIDED if arguments.strict and comparison.is_undecided else 0


def _side(path: Path, which: str) -> Run:
    """The run at or below a path; RecordError naming the argument that is no use."""
    found = find_run_folders([path])
    if len(found) != 1:
        many = f"holds {len(found)} runs, name one: {', '.join(map(str, found[:3]))}"
        none = "no run folder (with a manifest.json) at or below it"
        raise RecordError(f"{which} ({path}): {many if found else none}.")
    try:
        return read_run(found[0])
    except (RecordError, OSError) as error:
        raise RecordError(f"{which} ({path}): {error}") from error
    except UNEXPECTED as error:
        raise RecordError(f"{which} ({path}): {unexpected(error)}") from error


def _of_one_run(
    what: str, act: Callable[[argparse.Namespace, Run], tuple[str, int]]
) -> Callable[[argparse.Namespace], int]:
    """A command that reads one run: it prints what ``act`` says, or why it cannot."""

    def command(arguments: argparse.Namespace) -> int:
        try:
            text, code = act(arguments, _side(arguments.run_folder, "RUN"))
        except (RecordError, LeaderboardError) as error:
            return _fail(f"cannot {what}: {clean(error)}")
        except OSError as error:
            return _fail(f"cannot {what}: {clean(error.filename)}: {error.strerror}")
        except UNEXPECTED as error:
            return _fail(f"cannot {what}: {clean(unexpected(error))}")
        _print(text)
        return code

    return command


def _rescore(arguments: argparse.Namespace) -> int:
    try:
        target_of(arguments.run_folder, arguments.output)  # before a model compares anything
        with similarities_of(
            arguments.run_folder,
            given=arguments.similarities,
            checkpoints={
                "entailment": arguments.entailment,
                "embeddings": arguments.embeddings,
            },
        ) as similarities:
            found = rescore_folder(
                arguments.run_folder,
                arguments.output,
                progress=said_at_times(),
                similarities=similarities,
                rephrased=arguments.rephrased,
            )
    except (RecordError, LeaderboardError, OSError, pa.ArrowException, SafetensorError) as error:
        return _fail(f"cannot rescore: {clean(error)}")
    except UNEXPECTED as error:
        return _fail(f"cannot rescore: {clean(unexpected(error))}")
    _print(str(found))
    return 0


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _nothing_read(board: Board, paths: Sequence[Path]) -> int:
    """Say in one line why there is nothing to show."""
    if not board.problems:
        where = ", ".join(str(path) for path in paths)
        return _fail(f"no run folder (with a manifest.json) at or below {where}")
    more = f" (and {len(board.problems) - 1} more)" if len(board.problems) > 1 else ""
    return _fail(f"no run could be read: {clean(board.problems[0])}{more}")


def _fail(message: str) -> int:
    sys.stderr.write(f"vrp-leaderboard: {message}\n")
    return NOTHING_READ


def _print_tables(tables: Sequence[Table]) -> None:
    width = terminal_width()
    _print("\n\n\n".join(to_terminal(table, width) for table in tables))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
