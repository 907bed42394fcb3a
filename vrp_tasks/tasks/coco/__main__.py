"""Command line: make ``vrp_counting`` and ``vrp_spatial`` from COCO's annotations and images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vrp_tasks.errors import SetupError
from vrp_tasks.tasks.coco.build import build
from vrp_tasks.tasks.coco.docs import VARIABLE, default_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Build and say what came out, or fail with one line."""
    parser = argparse.ArgumentParser(prog="python -m vrp_tasks.tasks.coco", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="write both sets into a folder")
    command.add_argument("--annotations", type=Path, required=True, help="instances_val2017.json")
    command.add_argument("--images", type=Path, required=True, help="folder of the images")
    command.add_argument(
        "-o", "--output", type=Path, help="where to write (default: where the tasks look)"
    )
    command.add_argument("--n", type=int, default=1000, help="questions per set (%(default)s)")
    command.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    output = arguments.output or default_folder()
    try:
        chosen = build(
            arguments.annotations, arguments.images, output, n=arguments.n, seed=arguments.seed
        )
    except SetupError as error:
        raise SystemExit(f"vrp-tasks: {error}") from error
    for name, questions in chosen.items():
        short = "" if len(questions) == arguments.n else f" of {arguments.n} (see README.md)"
        sys.stdout.write(f"vrp_{name}: {len(questions)}{short} questions\n")
    if arguments.output:
        sys.stdout.write(f"Set {VARIABLE}={output} to run them.\n")


if __name__ == "__main__":
    main()
