"""The answers of the same model to the same questions in other words, from runs of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from leaderboard.runs.read import Run, read_run, sha256_of
from metrics.errors import RecordError
from metrics.record.channels import Channel, Rephrased
from metrics.record.failures import ANSWER
from metrics.record.records import MANIFEST_FILE, SampleRecord

_NOT_ASKED = "no run asks this question in other words"
_EMPTY = "the answer is empty"
Place = tuple[str, str, str]  # task, split and doc_id of a question of the run


class Source(Protocol):
    """Where channels come from that a run has not stored."""

    @property
    def given(self) -> list[type[Channel]]:
        """Channels that some answer has."""

    def channels_of(
        self, record: SampleRecord, seen: Mapping[str, Channel]
    ) -> tuple[dict[str, Channel], dict[str, str]]:
        """Channels of one answer beside those that are stored, and why others' are not there."""


@dataclass(frozen=True)
class Rephrasings:
    """Records of runs in other words, by the question of a run that each asks."""

    records: Mapping[Place, Sequence[SampleRecord]]

    @property
    def given(self) -> list[type[Channel]]:
        """The one channel."""
        return [Rephrased]

    def channels_of(
        self, record: SampleRecord, seen: Mapping[str, Channel]
    ) -> tuple[dict[str, Channel], dict[str, str]]:
        """Whether each of the other answers is the same."""
        others = self.of(record)
        if not others:
            return {}, {Rephrased.name: _NOT_ASKED}
        if not record.normal_answer:
            return {}, {Rephrased.name: _EMPTY}
        agrees = [float(other.normal_answer == record.normal_answer) for other in others]
        return {Rephrased.name: Rephrased(np.array(agrees))}, {}

    def of(self, record: SampleRecord) -> list[SampleRecord]:
        """Records of the same image and reference answer, asked in other words and answered."""
        return list(self.records.get((record.task, record.split, record.doc_id), ()))


def _is_rephrased(record: SampleRecord, other: SampleRecord) -> bool:
    return (
        (other.group, other.target) == (record.group, record.target)
        and other.prompt != record.prompt
        and ANSWER not in other.missing
    )


def read_rephrasings(paths: Sequence[Path], run: Run) -> Rephrasings:
    """Read runs of the same questions in other words.

    Parameters
    ----------
    paths : sequence of Path
        Complete runs of the same model, whose documents have the numbers of this run's.
    run : Run
        Whose questions they ask.

    Raises
    ------
    RecordError
        If one is no run, of another model, there twice, asks none of the questions in other words,
        or those of one task or another.
    """
    found: dict[Place, list[SampleRecord]] = defaultdict(list)
    known: dict[str, Path] = {}
    for path in paths:
        other = read_run(path.resolve())
        same = known.setdefault(sha256_of(path / MANIFEST_FILE), path)
        if same is not path:
            raise RecordError(f"{path} is the same run as {same}: its answers would count twice.")
        names = [own.manifest.model.get("name") for own in (run, other)]
        weights = [own.manifest.model.get("weights_sha256") for own in (run, other)]
        if names[0] != names[1] or (None not in weights and weights[0] != weights[1]):
            raise RecordError(
                f"{path} is of another model ({names[1]}) than this run ({names[0]})."
            )
        own = _by_question(path, other, run)
        if not own:
            raise RecordError(
                f"{path} asks no question of this run in other words: split, doc_id, image and "
                "reference answer have to be the same, and the prompt another."
            )
        for place, records in own.items():
            found[place] += records
    return Rephrasings(found)


def _by_question(path: Path, other: Run, run: Run) -> dict[Place, list[SampleRecord]]:
    """Records of another run by the question of this one that each asks.

    Tasks may be about the same images with the same answers, and still ask another thing.
    """
    found: dict[Place, list[SampleRecord]] = defaultdict(list)
    for task in other.manifest.tasks:
        asked = {(record.split, record.doc_id): record for record in other.of_task(task)}
        pairs = [
            (record, asked[record.split, record.doc_id])
            for record in run.records
            if (record.split, record.doc_id) in asked
        ]
        pairs = [pair for pair in pairs if _is_rephrased(*pair)]
        of = list(dict.fromkeys(record.task for record, _ in pairs))
        if task in of:
            of = [task]
        if len(of) > 1:
            raise RecordError(
                f"{path}: task {task} has images and reference answers of {' and of '.join(of)}; "
                "whose questions it asks in other words is not known. Rescore a run of one task."
            )
        for record, own in pairs:
            if record.task in of:
                found[record.task, record.split, record.doc_id].append(own)
    return found
