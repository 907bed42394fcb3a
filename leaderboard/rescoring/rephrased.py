"""The answers of the same model to the same questions in other words, from runs of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from leaderboard.runs.read import Run, read_run
from metrics.errors import RecordError
from metrics.record.channels import Channel, Rephrased
from metrics.record.failures import ANSWER
from metrics.record.records import SampleRecord

_NOT_ASKED = "no run asks this question in other words"
_EMPTY = "the answer is empty"
Place = tuple[str, str]  # split and doc_id


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
    """Records of runs in other words, by split and document."""

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
        return [
            other
            for other in self.records.get((record.split, record.doc_id), ())
            if (other.group, other.target) == (record.group, record.target)
            and other.prompt != record.prompt
            and ANSWER not in other.missing
        ]


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
        If one is no run, of another model, or asks none of the questions in other words.
    """
    found: dict[Place, list[SampleRecord]] = defaultdict(list)
    for path in paths:
        other = read_run(path.resolve())
        names = [own.manifest.model.get("name") for own in (run, other)]
        weights = [own.manifest.model.get("weights_sha256") for own in (run, other)]
        if names[0] != names[1] or (None not in weights and weights[0] != weights[1]):
            raise RecordError(
                f"{path} is of another model ({names[1]}) than this run ({names[0]})."
            )
        own: dict[Place, list[SampleRecord]] = defaultdict(list)
        for record in other.records:
            own[record.split, record.doc_id].append(record)
        asked = Rephrasings(own)
        if not any(asked.of(record) for record in run.records):
            raise RecordError(
                f"{path} asks no question of this run in other words: split, doc_id, image and "
                "reference answer have to be the same, and the prompt another."
            )
        for place, records in own.items():
            found[place] += records
    return Rephrasings(found)
