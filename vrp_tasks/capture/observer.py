"""Further measurements of the one generation: each is an observer beside the recorder.

An observer hooks what it needs during the prefill, keeps only reduced tensors, and adds its result
to each `Captured`. A new measurement is one new file with one subclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from vrp_tasks.capture.attention import Attended
from vrp_tasks.capture.decode_state import DecodeState
from vrp_tasks.capture.dialogue import Render
from vrp_tasks.capture.recorder import Recorder
from vrp_tasks.capture.result import Captured
from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.families import Family


@dataclass(frozen=True)
class Subjects:
    """What the B prompts of a batch ask, as far as it is known.

    Attributes
    ----------
    questions : sequence of str or None, length B
        The task's text, without chat markers.
    targets : sequence of list of str, length B
        Acceptable answers; empty where the split has none.
    tokenizer
        Of the processor, or None.
    render : callable or None
        The chat template; None for a checkpoint without.
    """

    questions: Sequence[str | None]
    targets: Sequence[Sequence[str]]
    tokenizer: Any = None
    render: Render | None = None

    @classmethod
    def unknown(cls, n: int) -> Subjects:
        """Nothing known of ``n`` prompts."""
        return cls([None] * n, [[]] * n)


@dataclass(frozen=True)
class CaptureContext:
    """What one generation of B prompts is about.

    Attributes
    ----------
    model, family, inputs
        As given to `probed_generate`.
    input_ids : int64 tensor, shape (B, T)
        The prompts as the model gets them, left-padded.
    recorder : Recorder
        Holds states and attention rows of the last prompt token once the prefill is over.
    settings : CaptureSettings
        Of the run.
    subjects : Subjects
        What the prompts ask.
    """

    model: PreTrainedModel
    family: Family
    inputs: dict[str, torch.Tensor]
    input_ids: torch.Tensor
    recorder: Recorder
    settings: CaptureSettings
    subjects: Subjects

    @property
    def tokenizer(self) -> Any:
        """Of the processor; None where the caller gave none."""
        return self.subjects.tokenizer

    @property
    def questions(self) -> Sequence[str | None]:
        """The tasks' text of each prompt, without chat markers."""
        return self.subjects.questions

    @property
    def targets(self) -> Sequence[Sequence[str]]:
        """Acceptable answers of each prompt."""
        return self.subjects.targets


class Observer:
    """One measurement; every method may be left as it is."""

    def __init__(self, context: CaptureContext) -> None:
        self.context = context

    def attached(self) -> AbstractContextManager[Any]:
        """Hooks that live as long as the generation."""
        return nullcontext()

    def on_attention(self, attended: Attended) -> None:
        """What a decoder layer attended with, during the prefill only."""

    def after_prefill(self, outputs: Any) -> None:
        """The prompt has been read; ``outputs.logits`` predict the first answer token."""

    def after_step(self, settled: Sequence[int], most: Sequence[int]) -> None:
        """Answer tokens were fed; the answers have at least and at most so many in the end."""

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Add prompt ``index``'s result to ``item.extra`` or a reason to ``item.missing``."""


ObserverFactory = Callable[[CaptureContext], Observer]


class ObserverGroup(Observer):
    """Several observers as one."""

    def __init__(self, context: CaptureContext, factories: Sequence[ObserverFactory]) -> None:
        super().__init__(context)
        self._observers = [make(context) for make in factories]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Hooks of all."""
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.attached())
            yield

    def on_attention(self, attended: Attended) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.on_attention(attended)

    def after_prefill(self, outputs: Any) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.after_prefill(outputs)

    def after_step(self, settled: Sequence[int], most: Sequence[int]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.after_step(settled, most)

    def collect(self, index: int, item: Captured, state: DecodeState) -> None:
        """Results of all."""
        for observer in self._observers:
            observer.collect(index, item, state)
