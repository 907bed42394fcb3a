"""The answers of a run folder whose meaning is to be compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from metrics.record.records import MANIFEST_FILE, RECORDS_FILE
from vrp_tasks.errors import SetupError

_COLUMNS = ["task", "split", "doc_id", "prompt", "answer", "samples"]


@dataclass(frozen=True)
class Answers:
    """One question and the different texts that answer it.

    Attributes
    ----------
    task, split, doc_id : str
        As in the records.
    question : str
        As the model was asked, without an image's placeholder.
    texts : tuple of str
        The scored answer and the samples, each text once, none of them empty.
    """

    task: str
    split: str
    doc_id: str
    question: str
    texts: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every two texts, in both orders."""
        return itertools.permutations(self.texts, 2)

    def asked(self, text: str) -> str:
        """A text behind its question, as it is compared: "2" alone says nothing."""
        return f"{self.question} {text.strip()}"


def answers_of(folder: Path) -> list[Answers]:
    """Of every question of a run that has samples.

    Raises
    ------
    SetupError
        If it is no complete run, or sampled no answers.
    """
    if not (folder / MANIFEST_FILE).is_file():
        raise SetupError(f"{folder} has no {MANIFEST_FILE}: it is no complete run.")
    try:
        rows = pq.read_table(folder / RECORDS_FILE, columns=_COLUMNS).to_pylist()
        found = [_answers(row) for row in rows if row["samples"]]
    except (pa.ArrowException, OSError, KeyError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise SetupError(f"{folder / RECORDS_FILE} cannot be read ({words}).") from error
    if not found:
        raise SetupError(f"{folder} sampled no answers (k=0), so there are none to compare.")
    return found


def _answers(row: dict[str, object]) -> Answers:
    samples = row["samples"]
    texts = dict.fromkeys([row["answer"], *samples])  # type: ignore[misc]
    question = " ".join(str(row["prompt"]).replace("<image>", " ").split())
    kept = tuple(str(text) for text in texts if str(text).strip())
    return Answers(str(row["task"]), str(row["split"]), str(row["doc_id"]), question, kept)
