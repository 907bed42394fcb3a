"""Write the YAML that attaches reliability to a task: ``python -m vrp_tasks.attach TASK …``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from vrp_tasks.errors import SetupError, without_extra

try:
    import yaml
    from lmms_eval.tasks import TaskManager
    from loguru import logger

    from vrp_tasks.attach.build import attached_config
except ImportError as error:
    raise SystemExit(f"vrp-tasks: {without_extra(error)}") from error


def main(arguments: list[str] | None = None) -> int:
    """Check the choice of score, write ``vrp_<task>.yaml``; the exit code."""
    given = _parser().parse_args(arguments)
    logger.remove()
    name = given.name or f"vrp_{given.task}"
    config = {"task": name, "metadata": {"version": 1.0, "vrp": _settings(given)}}
    try:
        attached_config(TaskManager(include_path=given.include_path), name, config)
    except SetupError as error:
        sys.stderr.write(f"vrp-tasks: {error}\n")
        return 1
    text = yaml.safe_dump(config, sort_keys=False)
    if given.output is None:
        sys.stdout.write(text)
        return 0
    given.output.mkdir(parents=True, exist_ok=True)
    path = given.output / f"{name}.yaml"
    path.write_text(text)
    sys.stdout.write(f"{path}\nlmms-eval --tasks {name} --include_path {given.output} ...\n")
    return 0


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    """``metadata.vrp`` as asked for; what was not asked for is left to the defaults."""
    names = ("score", "field", "aggregate", "group", "kind", "target", "parser", "threshold")
    chosen = {name: getattr(given, name) for name in names}
    return {"base": given.task} | {name: value for name, value in chosen.items() if value}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vrp_tasks.attach", description=__doc__)
    parser.add_argument("task", help="any lmms-eval task that generates answers about images")
    parser.add_argument("--score", metavar="KEY", help="key of its results that is the score")
    parser.add_argument("--field", help="where in that key's value the number stands")
    parser.add_argument(
        "--aggregate", action="store_true", help="score an answer by the task's own aggregation"
    )
    parser.add_argument("--group", metavar="COLUMN", help="which samples share an image")
    parser.add_argument("--kind", metavar="COLUMN", help="question kind")
    parser.add_argument("--target", metavar="COLUMN", help="reference answer")
    parser.add_argument("--parser", choices=["yes_no"], help="read answers beside the scorer")
    parser.add_argument("--threshold", type=float, help="a score from here on is correct (0.5)")
    parser.add_argument("--name", help="of the new task (default: vrp_<task>)")
    parser.add_argument(
        "--include_path", metavar="FOLDER", help="where the task is, if it is yours"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="default: print it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
