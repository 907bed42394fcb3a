"""Hidden states beside an answer: one channel a position."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.record.channel import Array, Channel


@dataclass(frozen=True)
class StateChannel(Channel):
    """A hidden state of every stored layer, shape (n_layers + 1, d_model), embeddings first."""

    by_layer: Array


@dataclass(frozen=True)
class PromptState(StateChannel):
    """At the last prompt token."""

    name = "state_prompt"


@dataclass(frozen=True)
class LastAnswerState(StateChannel):
    """At the last answer token."""

    name = "state_last_answer"


@dataclass(frozen=True)
class MeanAnswerState(StateChannel):
    """Mean over the answer tokens."""

    name = "state_mean_answer"


@dataclass(frozen=True)
class BlankState(StateChannel):
    """At the last prompt token, the image blanked: a control."""

    name = "state_blank"


STATES: tuple[type[StateChannel], ...] = (PromptState, LastAnswerState, MeanAnswerState, BlankState)
