"""What was seen of one answer: built once, labelled when it is built, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from metrics.errors import UndefinedMetricError
from metrics.record.channels import Channel

C = TypeVar("C", bound=Channel)
State = Literal["missing", "not offered"]


@dataclass(frozen=True)
class Absent:
    """Why something is not there.

    ``missing``: this sample lacks what the run measures. ``not offered``: the access to the model
    cannot give it, or the run did not ask for it; nothing is wrong.
    """

    reason: str
    state: State = "missing"


@dataclass(frozen=True)
class Observation:
    """One answered question and what was seen beside the answer.

    Attributes
    ----------
    task, split, doc_id
        Identity: lmms-eval's task name, data set split, row number as a string.
    group
        The image.
    kind
        Question kind of the benchmark, "all" where it has only one.
    prompt, answer, target
        The question as lmms-eval built it, the answer as its scorer took it, the reference
        answer or None.
    score, correct
        The benchmark's own score in [0, 1] and its binary form; None without a reference.
    normal_answer
        The answer under the benchmark's own normalisation.
    channels
        Name -> what was seen.
    absent
        Name of a channel, or ``score`` -> why it is not there.
    image
        Name of the image's small copy in the run folder, or None.
    """

    task: str
    split: str
    doc_id: str
    group: str
    kind: str
    prompt: str
    answer: str
    target: str | None
    score: float | None
    correct: int | None
    normal_answer: str
    channels: Mapping[str, Channel] = field(default_factory=dict)
    absent: Mapping[str, Absent] = field(default_factory=dict)
    image: str | None = None

    def get(self, channel: type[C]) -> C | None:
        """A channel, or None where it is absent."""
        found = self.channels.get(channel.name)
        return found if isinstance(found, channel) else None

    def why_absent(self, channel: type[Channel]) -> Absent:
        """Why a channel is not there."""
        return self.absent.get(channel.name, Absent("not captured"))

    def need(self, channel: type[C]) -> C:
        """A channel; raises UndefinedMetricError with the reason where it is absent."""
        found = self.get(channel)
        if found is None:
            raise UndefinedMetricError(self.why_absent(channel).reason)
        return found
