"""The commands ``threshold`` and ``apply``: their arguments, and what they do."""

from __future__ import annotations

import argparse
from pathlib import Path

from leaderboard.arguments import Commands, share
from leaderboard.errors import PolicyError
from leaderboard.output import anew
from leaderboard.policies.apply import apply_policy
from leaderboard.policies.choose import choose_policy, the_task
from leaderboard.policies.policy import policy_text, read_policy
from leaderboard.policies.words import applied_words, policy_words
from leaderboard.runs.read import Run
from metrics.errors import UndefinedMetricError
from metrics.signals import FREE

BROKEN = 1
CANNOT_TELL = 3


def add_threshold(commands: Commands) -> argparse.ArgumentParser:
    """The arguments of ``threshold``."""
    parser = commands.add_parser(
        "threshold",
        help="above which value of a signal an answer may be shown, with a guarantee",
        description="Chooses the lowest threshold for which the share of wrong answers among those "
        "shown is at most RISK with the confidence asked for, and writes it as a policy. Exit code "
        "0: promised; 1: no threshold can be promised; 2: the run cannot be used.",
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="run to choose it on")
    parser.add_argument("--signal", default=FREE, help=f"which signal (default: {FREE})")
    parser.add_argument("--risk", type=share, default=0.05, help="tolerated (default: 0.05)")
    parser.add_argument("--confidence", type=share, default=0.95, help="default: 0.95")
    parser.add_argument("--task", help="which task of the run, if it has several")
    parser.add_argument(
        "-o", "--output", type=Path, help="policy file (default: SIGNAL.policy.json, here)"
    )
    return parser


def add_apply(commands: Commands) -> argparse.ArgumentParser:
    """The arguments of ``apply``."""
    parser = commands.add_parser(
        "apply",
        help="what a policy does on another run, and whether its promise is kept",
        description="Exit code 0: not broken; 1: the promise is broken; 2: policy and run do not "
        "fit; 3: with --strict, cannot tell.",
    )
    parser.add_argument("policy", type=Path, metavar="POLICY", help="file that threshold wrote")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="another run")
    parser.add_argument(
        "--allow-different", action="store_true", help="apply it to a run that was made differently"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 3 where it cannot tell")
    return parser


def threshold(arguments: argparse.Namespace, run: Run) -> tuple[str, int]:
    """Choose and write a policy; what to print, and the exit code."""
    task = the_task(run, arguments.task)
    try:
        policy = choose_policy(
            run,
            task,
            arguments.signal,
            risk=arguments.risk,
            confidence=arguments.confidence,
        )
    except UndefinedMetricError as undefined:
        return f"{arguments.signal} on {task} by {run.model}: {undefined}.", BROKEN
    path: Path = arguments.output or Path(f"{arguments.signal}.policy.json")
    if path.is_dir():
        raise PolicyError(f"{path} is a folder; name the policy file with -o.")
    anew(path).write_text(policy_text(policy), encoding="utf-8", newline="\n")
    return f"{policy_words(policy)}\n\n{path}", 0


def apply(arguments: argparse.Namespace, run: Run) -> tuple[str, int]:
    """Hold a policy against a run; what to print, and the exit code."""
    policy = read_policy(arguments.policy)
    applied = apply_policy(policy, run, allow_different=arguments.allow_different)
    undecided = CANNOT_TELL if arguments.strict else 0
    code = {"kept": 0, "broken": BROKEN, "cannot tell": undecided}[applied.verdict]
    return applied_words(applied), code
