"""The command ``rescore``: its arguments."""

from __future__ import annotations

import argparse
from pathlib import Path

from leaderboard.arguments import Commands


def add_rescore(commands: Commands) -> argparse.ArgumentParser:
    """The arguments of ``rescore``."""
    parser = commands.add_parser(
        "rescore",
        help="a run's signals computed anew from what it stored, without the model",
        description="Writes a new run folder; the run stays as it is. A signal whose channel the "
        "run did not store keeps its recorded value, and the manifest says so.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a complete run folder")
    parser.add_argument(
        "-o", "--output", type=Path, help="new folder, absent or empty (default: RUN_rescored)"
    )
    parser.add_argument(
        "--similarities", type=Path, metavar="FILE",
        help="what another model says of pairs of answers (Parquet or CSV)",
    )  # fmt: skip
    for name in ("entailment", "embeddings"):
        parser.add_argument(
            f"--{name}", metavar="CHECKPOINT",
            help=f"let a checkpoint for {name} compare the answers: a folder or hub id",
        )  # fmt: skip
    parser.add_argument(
        "--rephrased", type=Path, action="append", default=[], metavar="RUN",
        help="a run of the same model on the same documents, the questions in other words; may be "
        "given several times",
    )  # fmt: skip
    return parser
