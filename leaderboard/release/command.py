"""The command ``compare``: its arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from leaderboard.arguments import Commands


def add_compare(commands: Commands) -> argparse.ArgumentParser:
    """The arguments of ``compare``."""
    parser = commands.add_parser(
        "compare",
        help="release check of two runs",
        description="Exit code 0: no regression; 1: a gate has regressed; 2: cannot compare; "
        "3: with --strict, no regression and a gate that cannot tell.",
    )
    parser.add_argument(
        "old", type=Path, metavar="OLD", help="run of what stands, or a folder with it"
    )
    parser.add_argument("new", type=Path, metavar="NEW", help="run of what would replace it")
    parser.add_argument("--tolerances", type=Path, help="TOML file with the margins")
    parser.add_argument(
        "--policy",
        action="append",
        type=Path,
        default=[],
        help="policy whose promise NEW has to keep (more than once for several)",
    )
    parser.add_argument(
        "--allow-different", action="store_true", help="compare runs that were made differently"
    )
    parser.add_argument(
        "-o", "--output", type=Path, help="write compare.json, compare.md and compare.xml here"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="exit code 3 where no gate regressed and one cannot tell",
    )
    return parser
