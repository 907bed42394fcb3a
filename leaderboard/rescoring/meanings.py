"""Similarities that another model has given a run's answers: read, checked, and as channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from leaderboard.rescoring.claims import (
    LackingError,
    Pairs,
    claims_entailed,
    samples_relevance,
    token_relevance,
)
from leaderboard.runs.bounded import batches_of, schema_of
from leaderboard.runs.read import Run
from leaderboard.runs.schema import check_table
from metrics.errors import RecordError
from metrics.record.channels import (
    AnswersAlike,
    AnswersEntailed,
    Channel,
    ClaimsEntailed,
    SamplesRelevance,
    SampleTokens,
    TokenAlternatives,
    TokenRelevance,
)
from metrics.record.records import SampleRecord
from metrics.record.tables import SIMILARITIES_FILE, SIMILARITY_KINDS, TABLES

_SAMPLE = ("task", "split", "doc_id")
_APART = 1e-4  # between a similarity one way and the other: what single precision adds
_KINDS: dict[type[Channel], tuple[str, ...]] = {
    AnswersEntailed: ("entailment", "contradiction"),
    AnswersAlike: ("similarity",),
    ClaimsEntailed: ("claim_entailment", "claim_contradiction"),
    TokenRelevance: ("relevance",),
    SamplesRelevance: ("relevance",),
}
_FEW = "two samples at least are compared by meaning, this answer has {}"
_NO_TOKENS = "no other tokens were kept beside this answer's (extra=alternatives)"
_NO_SAMPLE_TOKENS = "no tokens of the samples were kept (extra=alternatives)"
_Seen = Mapping[str, Channel]


@dataclass(frozen=True)
class Meanings:
    """What another model says of pairs of answers.

    Attributes
    ----------
    table : pa.Table
        As it goes into a run folder.
    pairs : mapping
        Sample -> kind -> texts of two answers -> value.
    """

    table: pa.Table
    pairs: Mapping[tuple[str, str, str], Mapping[str, Pairs]]

    @classmethod
    def none(cls) -> Meanings:
        """Of a run whose answers nobody has compared."""
        return cls(pa.table({}), {})

    @property
    def given(self) -> list[type[Channel]]:
        """Channels that there are rows for."""
        kinds = {kind for own in self.pairs.values() for kind in own}
        return [channel for channel, own in _KINDS.items() if kinds.issuperset(own)]

    def channels_of(
        self, record: SampleRecord, seen: Mapping[str, Channel]
    ) -> tuple[dict[str, Channel], dict[str, str]]:
        """Channels of one answer beside those that are stored, and why others' are not there."""
        own = self.pairs.get((record.task, record.split, record.doc_id), {})
        found: dict[str, Channel] = {}
        reasons: dict[str, str] = {}
        for channel in self.given:
            try:
                found[channel.name] = _CHANNELS[channel](record, seen, own)
            except LackingError as lacking:
                reasons[channel.name] = str(lacking)
        return found, reasons


def read_meanings(path: Path, run: Run) -> Meanings:
    """Similarities of a run's answers from a file, Parquet or CSV.

    Parameters
    ----------
    path : Path
        With the columns of ``similarities.parquet``.
    run : Run
        Whose answers they are of.

    Raises
    ------
    RecordError
        If the file breaks the format, holds a value outside [0, 1] or a similarity that is not the
        same both ways, or knows no answer of the run.
    """
    try:
        table = _read(path)
        check_table(SIMILARITIES_FILE, table)
    except (RecordError, pa.ArrowException, OSError) as error:
        words = " ".join(str(error).split())
        raise RecordError(f"{path}: no similarities of answers ({words})") from error
    found = _meanings(table, str(path))
    samples = {(record.task, record.split, record.doc_id) for record in run.records}
    if not samples & found.pairs.keys():
        raise RecordError(f"{path} compares no answer of this run: see task, split and doc_id.")
    if not any(len(record.samples) > 1 for record in run.records):
        raise RecordError(f"{run.path} sampled no answers (k=0), so there are none to compare.")
    return found


def stored_meanings(run: Run) -> Meanings:
    """Those that a run folder holds from an earlier time."""
    if SIMILARITIES_FILE not in run.manifest.files:
        return Meanings.none()
    path = run.path / SIMILARITIES_FILE
    return read_meanings(path, run)


def _read(path: Path) -> pa.Table:
    if path.suffix.lower() == ".csv":
        types = {n: pa.string() for n, c in TABLES[SIMILARITIES_FILE].items() if c.kind == "text"}
        options = pc_csv.ConvertOptions(column_types={**types, "value": pa.float64()})
        newlines = pc_csv.ParseOptions(newlines_in_values=True)
        return pc_csv.read_csv(path, convert_options=options, parse_options=newlines)
    batches = list(batches_of(path))
    return pa.Table.from_batches(batches) if batches else schema_of(path).empty_table()


def _meanings(table: pa.Table, where: str) -> Meanings:
    """Check the values of a table, and sort them by sample."""
    unknown = set(pc.unique(table["kind"]).to_pylist()) - SIMILARITY_KINDS.keys()
    if unknown:
        raise RecordError(
            f"{where}: kind must be one of {', '.join(SIMILARITY_KINDS)}, got "
            f"{sorted(unknown)[0]!r}."
        )
    pairs: dict[tuple[str, str, str], dict[str, Pairs]] = {}
    columns = (table[name].to_pylist() for name in (*_SAMPLE, "kind", "first", "second", "value"))
    for task, split, doc_id, kind, first, second, value in zip(*columns, strict=True):
        place = f"{where}: {kind} of {first!r} and {second!r} ({task}/{split}/{doc_id})"
        if not 0 <= value <= 1:
            raise RecordError(f"{place} must be in [0, 1], got {value:g}.")
        own = pairs.setdefault((task, split, doc_id), {}).setdefault(kind, {})
        other = own.get((second, first), value) if kind == "similarity" else value
        if abs(own.get((first, second), value) - value) > _APART:
            raise RecordError(f"{place} stands there twice, with different values.")
        if abs(other - value) > _APART:
            raise RecordError(f"{place} is {value:g}, the other way round {other:g}.")
        own[first, second] = value
    return Meanings(table.select(list(TABLES[SIMILARITIES_FILE])), pairs)


def _matrix(texts: Sequence[str], pairs: Pairs, *, equal: float, both_ways: bool) -> np.ndarray:
    """Values of all pairs; an empty answer has none with any other, nor with an empty one."""
    found = np.full((len(texts), len(texts)), equal)
    for i, first in enumerate(texts):
        for j, second in enumerate(texts):
            if i == j:
                continue
            if not (first.strip() and second.strip()):
                found[i, j] = 0.0
            elif first != second:
                value = pairs.get((first, second))
                if value is None and both_ways:
                    value = pairs.get((second, first))
                if value is None:
                    raise LackingError(f"nobody has compared {first[:40]!r} with {second[:40]!r}")
                found[i, j] = value
    return found


def _texts(record: SampleRecord) -> list[str]:
    if len(record.samples) < 2:
        raise LackingError(_FEW.format(len(record.samples)))
    return [record.answer, *record.samples]


def _tokens(seen: _Seen) -> TokenAlternatives:
    told = seen.get(TokenAlternatives.name)
    if not isinstance(told, TokenAlternatives):
        raise LackingError(_NO_TOKENS)
    return told


def _sample_tokens(seen: _Seen) -> SampleTokens:
    told = seen.get(SampleTokens.name)
    if not isinstance(told, SampleTokens):
        raise LackingError(_NO_SAMPLE_TOKENS)
    return told


def _entailed(record: SampleRecord, _: _Seen, own: Mapping[str, Pairs]) -> Channel:
    texts = _texts(record)
    entails, contradicts = (
        _matrix(texts, own.get(kind, {}), equal=equal, both_ways=False)
        for kind, equal in (("entailment", 1.0), ("contradiction", 0.0))
    )
    over = entails + contradicts
    if over.max() > 1 + _APART:
        raise LackingError("entailment and contradiction of a pair sum to more than 1")
    if own.get("support"):
        supports = _matrix(texts, own["support"], equal=1.0, both_ways=False)
    else:  # of answers in one sentence
        supports = np.divide(entails, over, out=np.zeros_like(over), where=over > 0)
    return AnswersEntailed(entails, contradicts, supports)


def _alike(record: SampleRecord, _: _Seen, own: Mapping[str, Pairs]) -> Channel:
    pairs = own.get("similarity", {})
    return AnswersAlike(_matrix(_texts(record), pairs, equal=1.0, both_ways=True))


_CHANNELS: dict[type[Channel], Callable[[SampleRecord, _Seen, Mapping[str, Pairs]], Channel]] = {
    AnswersEntailed: _entailed,
    AnswersAlike: _alike,
    ClaimsEntailed: lambda _, seen, own: claims_entailed(_tokens(seen), own),
    TokenRelevance: lambda _, seen, own: token_relevance(_tokens(seen), own),
    SamplesRelevance: lambda _, seen, own: samples_relevance(_sample_tokens(seen), own),
}
