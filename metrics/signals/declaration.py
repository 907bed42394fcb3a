"""What a signal is: its name, its place, and how it is computed from what was seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import logit

from metrics.errors import UndefinedMetricError
from metrics.record.channels import DEPTHS, Array, Channel, Depth
from metrics.record.observation import Absent, Observation

Access = Literal["deployable", "oracle", "control"]
Cost = Literal[
    "answer", "prefill", "samples", "second pass", "continuation", "further prefills",
    "outside model",
]  # fmt: skip
CostClass = Literal[0, 1, 2, 3, 4]
Box = Literal["white", "grey", "black"]
Bounds = tuple[float, float]
ANY: Bounds = (-math.inf, math.inf)
SHARE: Bounds = (0.0, 1.0)
SURE = 16.0  # log-odds of the last float32 before 1
NEGATED: Bounds = (-math.inf, 0.0)  # of what cannot be negative
_BOXES: dict[Depth, Box] = {"inside": "white", "log-probabilities": "grey", "answers": "black"}


@dataclass(frozen=True)
class Signal:
    """A scalar beside an answer, oriented so that higher means more likely correct.

    Attributes
    ----------
    name, label, source
        Key, what tables show, and where it is defined; a source without a paper is the method's
        own section.
    family
        Groups signals of one origin.
    access
        "deployable" (needs no true answer where it is used), "oracle" (needs it) or "control" (a
        baseline any signal has to beat); the three are never ranked in one table.
    needs
        Channels, in the order in which ``compute`` takes them.
    compute
        Of these channels; raises UndefinedMetricError with the reason. None for scores that are
        fitted on labels, or made of another run's.
    bounds
        Range that no value can leave, as oriented: what does is not that signal.
    cost
        What has to be done beside answering: nothing ("answer": read off the answer's own tokens),
        hooks in the one prefill, K samples, a second pass over the prompt, a short continuation on
        its cache, further prefills (of the prompt with another image), or an outside model.
    cost_class
        What it adds once answers, samples and what is kept beside them are there: 0 nothing, 1 a
        few more numbers kept from passes that are made anyway, 2 a short continuation on the cached
        prompt, 3 extra prefills, 4 another model, on stored text.
    headline
        The one that stands for its family in an overview.
    reported
        Shown in lmms-eval's own table; every headline is.
    fitted
        Fitted on labels, so that its score is out of fold.
    states
        That the signal is a probability of being correct as it stands, the logarithm of one, or
        the share of samples that give the same answer.
    on_grid
        Reads where on the image's grid attention lies: void if the geometry self-test fails.
    applies
        The reason that an answer has when it is of another kind than the signal is about: a task
        without any of that kind leaves the signal out, instead of calling it INVALID.
    control_of
        Of a control, the one signal that it is a bar for; empty for a bar to all.
    about
        What it is in one line: on hover in the report, and in docs/signals.md where that has no
        words of its own.
    """

    name: str
    label: str
    family: str
    source: str
    needs: tuple[type[Channel], ...] = ()
    compute: Callable[..., Any] | None = None
    access: Access = "deployable"
    bounds: Bounds = ANY
    cost: Cost = "prefill"
    cost_class: CostClass = 0
    headline: bool = False
    reported: bool = False
    fitted: bool = False
    states: Literal["probability", "log-probability", "share"] | None = None
    on_grid: bool = False
    applies: str = ""
    control_of: str = ""
    about: str = ""

    @property
    def depth(self) -> Depth:
        """How far into a model one has to see for it: as far as for its deepest channel."""
        return max((channel.depth for channel in self.needs), key=DEPTHS.index, default="answers")

    @property
    def box(self) -> Box:
        """The least access it needs: inside the model, its log-probabilities, or text alone."""
        return _BOXES[self.depth]

    def probability(self, values: Array) -> Array:
        """Return the values as the probability that the signal states."""
        stated = np.exp(values) if self.states == "log-probability" else values
        return np.clip(stated, 0.0, 1.0)  # rounding

    def odds(self, values: Array) -> Array:
        """Return the values on the scale on which a logistic curve is fitted to them.

        That of log-odds for a probability, which is linear where the curve is; a share of ten
        samples is 0 or 1 too often for that, and stays as it is, like any other score.
        """
        if self.states not in ("probability", "log-probability"):
            return values
        with np.errstate(divide="ignore"):
            odds = logit(self.probability(values))
            if self.states == "log-probability":  # log p - log(1 - p), exact close to p = 1
                odds = values - np.log(-np.expm1(np.minimum(values, 0.0)))
        clipped: np.ndarray = np.clip(odds, -SURE, SURE)
        return clipped

    def of(self, observation: Observation) -> float | Absent:
        """The signal of one answer, or why there is none.

        It is *not offered* if any of its channels is, whatever else the answer lacks.
        """
        if self.compute is None:
            raise TypeError(f"{self.name} is not computed from a single answer.")
        lacking = [
            observation.why_absent(channel)
            for channel in self.needs
            if observation.get(channel) is None
        ]
        if lacking:
            return next((why for why in lacking if why.state == "not offered"), lacking[0])
        try:
            return float(self.compute(*(observation.need(channel) for channel in self.needs)))
        except UndefinedMetricError as undefined:
            return Absent(str(undefined))


@dataclass(frozen=True)
class LayerVector:
    """A figure of every layer beside an answer, input side first."""

    name: str
    needs: type[Channel]
    compute: Callable[..., Any]

    def of(self, observation: Observation) -> list[float] | None:
        """One figure a layer; None where the channel is absent, or a layer has no such figure."""
        channel = observation.get(self.needs)
        if channel is None:
            return None
        try:
            return [float(value) for value in self.compute(channel)]
        except UndefinedMetricError:
            return None
