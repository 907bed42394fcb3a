"""``python -m vrp_tasks.meaning RUN --entailment CHECKPOINT``: similarities of a run's answers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vrp_tasks.errors import SetupError, without_extra

FAILED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file; what goes wrong is one line, exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m vrp_tasks.meaning", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a complete run folder")
    parser.add_argument("--entailment", metavar="CHECKPOINT", help="a sequence classifier (NLI)")
    parser.add_argument("--embeddings", metavar="CHECKPOINT", help="an encoder of texts")
    parser.add_argument("--batch-size", type=int, default=32, help="pairs at once (default: 32)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="Parquet file to write")
    given = parser.parse_args(arguments)
    try:
        _write(given)
    except ImportError as error:
        return _fail(without_extra(error))
    except SetupError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"cannot write {given.output}: {error.strerror or error}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"vrp-tasks: {message}\n")
    return FAILED


def _write(given: argparse.Namespace) -> None:
    from vrp_tasks.meaning.answers import answers_of
    from vrp_tasks.meaning.table import write

    if not (given.entailment or given.embeddings):
        raise SetupError("name a checkpoint: --entailment, --embeddings or both.")
    if given.batch_size < 1:
        raise SetupError(f"--batch-size must be at least 1, got {given.batch_size}.")
    answers = answers_of(given.run)  # before a model is loaded
    write(given.output, answers, list(_models(given)))


def _models(given: argparse.Namespace) -> Iterator[Any]:
    from vrp_tasks.meaning.embeddings import Embeddings
    from vrp_tasks.meaning.entailment import Entailment

    if given.entailment:
        yield Entailment(given.entailment, batch_size=given.batch_size)
    if given.embeddings:
        yield Embeddings(given.embeddings, batch_size=given.batch_size)


if __name__ == "__main__":
    sys.exit(main())
