"""Command line: train one family, resumable, and export its checkpoint with a model card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vrp_tasks.errors import without_extra
from vrp_tasks.tiny.world import KINDS

try:
    import torch

    from vrp_tasks.tiny.training.architectures import FAMILIES
    from vrp_tasks.tiny.training.export import export
    from vrp_tasks.tiny.training.loop import Recipe, Trainer
except ImportError as error:
    raise SystemExit(f"vrp-tasks: {without_extra(error)}") from error


def main() -> None:
    """Train (or go on training) and write the checkpoint folder."""
    parser = argparse.ArgumentParser(prog="python -m vrp_tasks.tiny.training", description=__doc__)
    parser.add_argument("--family", required=True, choices=sorted(FAMILIES))
    parser.add_argument("--steps", type=int, required=True, help="length of the schedule")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of the run's state and log"
    )
    parser.add_argument("--export", type=Path, help="write the checkpoint folder here at the end")
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--exact-from", type=float, default=Recipe.exact_from)
    parser.add_argument("--focus", default="", choices=["", *KINDS], help="kind asked more often")
    parser.add_argument("--continues", default="", help="work folder of a run to start from")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads (1 is the fastest here)"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(
        family=arguments.family,
        steps=arguments.steps,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        exact_from=arguments.exact_from,
        focus=arguments.focus,
        continues=arguments.continues,
    )
    trainer = Trainer(recipe, arguments.work, device=arguments.device)
    for row in trainer.run():
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()
    if arguments.export:
        export(trainer, arguments.export)


if __name__ == "__main__":
    main()
