"""How a model is looked into: an access turns requests into answers with channels."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from metrics.record.channels import CHANNELS, Channel, Samples, SampleScores, SampleSpread
from metrics.record.failures import ANSWER, SIGNALS
from metrics.record.observation import Absent
from vrp_tasks.access.identity import last_parts, stock_arguments
from vrp_tasks.capture.extras import unasked
from vrp_tasks.errors import CaptureError
from vrp_tasks.families.window import Window, window_of
from vrp_tasks.seam.requests import clone_request
from vrp_tasks.settings.run_settings import RunSettings

NO_SAMPLES = "no answers were asked for (k=0)"
CAPTURE = "capture"  # in `Seen.absent`: why nothing was looked at
Stock = Callable[[list[Any]], list[Any]]


@dataclass(frozen=True)
class Seen:
    """One answer and what was seen beside it.

    Attributes
    ----------
    answer : str
        As the stock adapter gives it.
    channels, absent : mapping of str
        By channel name: what was seen, and why something was not.
    samples : sequence of str
        Sampled answers; compared later, under the benchmark's normalisation.
    extra : mapping of str to object
        What companions' observers measured, by their own key.
    tokens : sequence of int or None
        The answer's tokens, where they are known.
    prompt : str or None
        Which prompt it was, ``<of what>:<SHA-256>``, where that is known.
    failure : str or None
        Why there is no answer at all; ``answer`` is empty then, and nothing to be scored.
    perturbed : mapping of str to str
        How the image was changed -> the answer to the same question then.
    excused : bool
        Whether that is no fault of a document or of whoever answers: it was not asked, or refused.
    """

    answer: str
    channels: Mapping[str, Channel] = field(default_factory=dict)
    absent: Mapping[str, Absent] = field(default_factory=dict)
    samples: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    tokens: Sequence[int] | None = None
    prompt: str | None = None
    failure: str | None = None
    perturbed: Mapping[str, str] = field(default_factory=dict)
    excused: bool = False

    @property
    def is_captured(self) -> bool:
        """Whether anything was looked at beside the answer."""
        return CAPTURE not in self.absent

    @classmethod
    def uncaptured(cls, answer: str, reason: str, never: Mapping[str, Absent]) -> Seen:
        """An answer beside which something went wrong; ``never`` is what is not offered anyway."""
        why = Absent(reason)
        nothing = {CAPTURE: why} | {c.name: why for c in CHANNELS}
        return cls(answer, {}, {**nothing, SIGNALS: why, **never})

    @classmethod
    def failed(cls, reason: str, never: Mapping[str, Absent], *, excused: bool = False) -> Seen:
        """No answer."""
        why = Absent(reason)
        nothing = {CAPTURE: why} | {c.name: why for c in CHANNELS}
        return cls("", {}, {**nothing, ANSWER: why, **never}, failure=reason, excused=excused)


@dataclass(frozen=True)
class Asked:
    """One task's requests of one slice, and what an access needs to know of them.

    Attributes
    ----------
    task, split : str
        Of all of them.
    requests : list
        lmms-eval's instances.
    targets : callable
        Request -> acceptable answers, for oracle measurements only.
    visuals : callable
        Request -> what its document shows.
    others : callable
        Request -> what other documents of its task show, one after another.
    observers : sequence
        Further measurements, of companions.
    """

    task: str
    split: str
    requests: list[Any]
    targets: Callable[[Any], list[str]]
    visuals: Callable[[Any], Any]
    others: Callable[[Any], Iterable[Any]] = lambda request: ()
    observers: Sequence[Any] = ()


class Access(ABC):
    """One level of access to one model.

    Parameters
    ----------
    lm : lmms-eval model
        The instance that answers; never subclassed, never changed but inside `serving`.
    settings : RunSettings
        Of the run.
    stock : callable
        The instance's own ``generate_until``.
    arguments : mapping, optional
        What the instance was made with; None for one that was made elsewhere.
    """

    level: ClassVar[str]
    companions: ClassVar[frozenset[str]] = frozenset({"grounding"})  # keys of metadata.vrp
    sees_maps: ClassVar[bool] = False
    serves: ClassVar[str] = "any model of lmms-eval"  # for people
    needs_family: ClassVar[bool] = False  # serves checkpoints of `vrp_tasks.families` alone

    def __init__(
        self,
        lm: Any,
        settings: RunSettings,
        stock: Stock,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.lm, self.settings, self.stock, self.arguments = lm, settings, stock, arguments
        self.extra_seconds: dict[str, float] = {}  # of each detector with passes of its own

    @classmethod
    @abstractmethod
    def complaint(cls, lm: Any) -> str | None:
        """Why a model cannot be looked into this way, or None."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """The manifest's ``model``."""

    def findings(self) -> dict[str, Any]:
        """What else the manifest's ``model`` says, that does not tell it from another."""
        return {}

    def cost(self) -> dict[str, Any]:
        """What this process used, beside time and memory, for the manifest's ``cost``."""
        return {}

    def described_settings(self) -> dict[str, Any]:
        """The manifest's ``settings``: of the run, and the stock adapter's own arguments."""
        stated = None
        if self.arguments is not None:
            stated = stock_arguments(inspect.signature(type(self.lm)).parameters, self.arguments)
        return {**self.settings.described(), "model_arguments": stated}

    @abstractmethod
    def observe(self, asked: Asked) -> list[Seen]:
        """Answer requests of one task; one entry each, in their order.

        What it raises costs nothing but time: each request is asked again alone, and one that fails
        alone too is handed to `after_failure`.
        """

    def after_failure(self, asked: Asked, reason: str) -> Seen:
        """What can still be had of a single request that could not be observed."""
        return Seen.failed(reason, self.never())

    def never(self) -> dict[str, Absent]:
        """Channels that stand beside no answer of this run, whatever is asked."""
        never = unasked(self.settings.capture)
        if not self.settings.capture.k:
            drawn = (Samples, SampleScores, SampleSpread)
            never |= {own.name: Absent(NO_SAMPLES, "not offered") for own in drawn}
        return never

    def answer_again(
        self, asked: Asked, clean: Mapping[str, Sequence[int]]
    ) -> list[tuple[str, float | None]]:
        """Answer changed requests; beside each how probable its clean answer would have been.

        Parameters
        ----------
        asked : Asked
            The requests as they are now.
        clean : mapping of str to sequence of int
            Document -> tokens of its clean answer, where they are known.

        Returns
        -------
        list of (str, float or None)
            Mean log-probability of the clean answer's tokens; None where it cannot be told.
        """
        return [(text, None) for text in self.answers(asked.requests)]

    def answers_alone(self, asked: Asked) -> list[str]:
        """Answers of changed requests, and nothing beside them."""
        return self.answers(asked.requests)

    def took(self, name: str, seconds: float) -> None:
        """Count what a detector with passes of its own has taken."""
        self.extra_seconds[name] = self.extra_seconds.get(name, 0.0) + seconds

    def answer_tokens(self, asked: Asked) -> dict[str, list[int]]:
        """Document -> tokens of its answer; empty where they are out of reach."""
        return {}

    def described_by_name(self, named: str) -> dict[str, Any]:
        """What can be said of a model whose weights are out of reach."""
        return {
            "name": model_name(named),
            "family": "unknown",
            "pretrained": last_parts(named, separator="/"),
            "weights_sha256": None,
            "commit": None,
            "adapter": f"{type(self.lm).__module__}.{type(self.lm).__name__}",
            "access": self.level,
        }

    def answers(self, requests: list[Any]) -> list[str]:
        """The stock adapter's answers, nothing beside them."""
        found = self.stock([clone_request(request) for request in requests])
        return texts_of(self.lm, found, requests)

    def serving(self) -> AbstractContextManager[Any]:
        """Whatever has to be set while requests are observed; restored on leaving."""
        return nullcontext()

    def tasks_of_all(self, tasks: Sequence[str]) -> list[str]:
        """Tasks to answer one after another; those of other processes too, if they call along."""
        return list(tasks)

    def wait_for_others(self, requests: Sequence[Any]) -> None:  # noqa: B027 - most are alone
        """Wait for other processes that call along; ``requests``, one at least, are ours."""

    def order(self, requests: list[Any], indices: list[int]) -> list[int]:
        """The order in which the stock adapter would batch, so that batches have its members."""
        return indices

    @property
    def at_once(self) -> int | None:
        """How many requests `observe` should get; None for as many as there are."""
        return None

    @property
    def batch_size(self) -> int:
        """Requests that the adapter sends at once."""
        size = getattr(self.lm, "batch_size", 1)
        return size if isinstance(size, int) and size > 0 else 1

    def checks(self) -> dict[str, str]:
        """What was tried on the model at load, and what came of it; for the manifest."""
        return {}

    def geometry(self) -> str | None:
        """Why attention maps of this model cannot be read as pictures, or None."""
        return None

    def frozen(self, samples: Iterable[Sequence[str]]) -> str | None:
        """Why the samples of a whole run are none, or None.

        Where all of them are equal on every question, the model may just be certain, or it ignores
        the temperature; an adapter does not say which.
        """
        n_samples = n_questions = 0
        for own in filter(None, samples):
            if len(set(own)) > 1:
                return None
            n_samples, n_questions = n_samples or len(own), n_questions + 1
        if not n_questions:
            return None
        return (
            f"all {n_samples} samples were equal on all {n_questions} questions: the model, or "
            "its adapter, ignores the temperature"
        )

    def image_processor(self) -> Any:
        """What turns images into pixel values; None where that is out of reach."""
        return None

    def window(self, size: tuple[int, int]) -> Window:
        """What image tokens show of an image of this width and height.

        Raises
        ------
        UnmappedError
            Where that is not known.
        """
        return window_of(self.image_processor(), size)

    def image_tokens(self, images: list[Image.Image]) -> int:
        """Image tokens that the images of one prompt become, for the storage plan."""
        return 0

    def n_neurons(self) -> int:
        """Neurons of all feed-forward layers, for the storage plan; 0 where none are kept."""
        return 0

    def check_tasks(self, tasks: Mapping[str, Any]) -> None:  # noqa: B027 - most serve any
        """Raise SetupError for tasks that this access cannot serve; before the first sample."""


def model_name(pretrained: str) -> str:
    """How a model is named in tables: the last part of a path or hub id."""
    return Path(pretrained).name


def texts_of(lm: Any, found: Sequence[Any], requests: Sequence[Any]) -> list[str]:
    """A stock adapter's answers as texts; CaptureError if they are not as many as its requests."""
    if len(found) != len(requests):
        raise CaptureError(
            f"{type(lm).__name__} gave {len(found)} answers to {len(requests)} requests; "
            "they cannot be paired."
        )
    return [text if isinstance(text, str) else text.text for text in found]
