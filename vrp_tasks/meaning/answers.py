"""The answers of a run folder whose meaning is to be compared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open

from metrics.errors import RecordError
from metrics.record.channels import Channel, SampleTokens, TokenAlternatives
from metrics.record.records import MANIFEST_FILE, RECORDS_FILE
from metrics.record.store import ChannelStore
from vrp_tasks.errors import SetupError

_COLUMNS = ["task", "split", "doc_id", "prompt", "answer", "samples", "shard", "row"]


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
    tokens : TokenAlternatives or None
        What else the scored answer's tokens could have been, where the run kept that.
    samples : SampleTokens or None
        The samples' own tokens, likewise.
    """

    task: str
    split: str
    doc_id: str
    question: str
    texts: tuple[str, ...]
    tokens: TokenAlternatives | None = None
    samples: SampleTokens | None = None

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every two texts, in both orders."""
        return itertools.permutations(self.texts, 2)

    def claims(self) -> list[tuple[str, str]]:
        """The answer up to a token with another in its place, and as it is; each pair once."""
        found = [] if self.tokens is None else self.tokens.claims()
        pairs = ((other, claim) for claim, *others in found for other in others)
        return list(dict.fromkeys(own for own in pairs if all(own) and own[0] != own[1]))

    def shortened(self) -> list[tuple[str, str]]:
        """An answer or sample, and what is left without one of its tokens; each pair once."""
        found = [] if self.tokens is None else [self.tokens.shortened()]
        found += [] if self.samples is None else self.samples.shortened()
        pairs = ((whole, text) for whole, without in found for text in without)
        return list(dict.fromkeys(own for own in pairs if all(own) and own[0] != own[1]))

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
        sampled = [row for row in rows if row["samples"]]
        tokens = _tokens(folder, sampled)
        found = [_answers(row, own) for row, own in zip(sampled, tokens, strict=True)]
    except (
        pa.ArrowException, OSError, LookupError, TypeError, ValueError, AttributeError,
        SafetensorError,
    ) as error:  # fmt: skip
        words = " ".join(str(error).split())[:200]
        raise SetupError(f"{folder / RECORDS_FILE} cannot be read ({words}).") from error
    if not found:
        raise SetupError(f"{folder} sampled no answers (k=0), so there are none to compare.")
    return found


def _tokens(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Channel]]:
    """Tokens of the answers and samples, of those that have them."""
    places = [SimpleNamespace(shard=row["shard"], row=row["row"]) for row in rows]
    for name in {own.shard for own in places if own.shard is not None}:
        if Path(name).name != name:
            raise RecordError(f"{name!r} is no file of the run")
    store = ChannelStore(lambda name: safe_open(folder / name, framework="numpy"))
    return store.channels([TokenAlternatives, SampleTokens], places)


def _answers(row: dict[str, object], tokens: dict[str, Channel]) -> Answers:
    samples = row["samples"]
    texts = dict.fromkeys([row["answer"], *samples])  # type: ignore[misc]
    question = " ".join(str(row["prompt"]).replace("<image>", " ").split())
    kept = tuple(str(text) for text in texts if str(text).strip())
    place = str(row["task"]), str(row["split"]), str(row["doc_id"])
    kinds = (TokenAlternatives, SampleTokens)
    return Answers(*place, question, kept, *(tokens.get(kind.name) for kind in kinds))  # type: ignore[arg-type]
