"""What can be seen of one answer: each channel is one kind of measurement, as plain arrays.

A channel that is not there has a reason (`metrics.record.observation.Absent`). Arrays are stored
in the run folder under ``<channel>.<field>``, so that a signal invented later can be computed for
an old run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from metrics.record.alternatives import (
    ALTERNATIVES,
    MOST_OF_SAMPLES,
    MOST_TOKENS,
    TOO_LONG,
    TOO_LONG_SAMPLE,
    TOO_LONG_SAMPLES,
    ClaimsEntailed,
    SamplesRelevance,
    SampleTokens,
    TokenAlternatives,
    TokenRelevance,
)
from metrics.record.asked_channels import (
    NOT_COMPARED,
    OUTSIDE,
    PERTURBATIONS,
    AnswersAlike,
    AnswersEntailed,
    ConfidenceAfterwards,
    ConfidenceInTurn,
    ConfidenceOfProposal,
    CoreHidden,
    NeuronContributions,
    Perturbed,
    PerturbedState,
    Rephrased,
    TruthAsked,
    TruthAskedWithSamples,
)
from metrics.record.channel import DEPTHS, Array, Channel, Depth
from metrics.record.detector_channels import (
    CANDIDATES,
    DETECTOR_CHANNELS,
    N_WORDS,
    TOP,
    BlankScores,
    CandidateMasses,
    HeadMasses,
    ListedTokens,
    LookBack,
    SampleScores,
    SampleSpread,
    TokenImageMass,
    TokenSteps,
    VisionState,
)
from metrics.record.lens_channels import LensReading, LensShares, TruthLens
from metrics.record.state_channels import (
    STATES,
    BlankState,
    LastAnswerState,
    MeanAnswerState,
    PromptState,
    StateChannel,
)

__all__ = [
    "ALTERNATIVES", "BY_NAME", "CANDIDATES", "CHANNELS", "DEPTHS", "DETECTOR_CHANNELS",
    "MOST_OF_SAMPLES", "MOST_TOKENS", "NOT_COMPARED", "N_WORDS", "OUTSIDE", "PERTURBATIONS",
    "STATES", "TOO_LONG", "TOO_LONG_SAMPLE", "TOO_LONG_SAMPLES",
    "TOP", "AnswersAlike", "AnswersEntailed", "Array", "BlankScores", "BlankState",
    "BoundaryMaps", "CandidateMasses", "Channel", "ClaimsEntailed", "ConfidenceAfterwards",
    "ConfidenceInTurn", "ConfidenceOfProposal", "CoreHidden", "Depth", "FirstTwo", "HeadMasses",
    "ImageMaps", "ImageMass", "ImageTokens", "LastAnswerState", "LensReading", "LensShares",
    "ListedTokens", "LookBack", "MeanAnswerState", "NeuronContributions", "Perturbed",
    "PerturbedState", "ProbeOpinion", "PromptState", "QuestionMaps", "Rephrased",
    "SampleScores", "SampleSpread", "SampleTokens", "Samples", "SamplesRelevance", "StateChannel",
    "TokenAlternatives",
    "TokenEntropies", "TokenImageMass", "TokenRelevance", "TokenScores", "TokenSteps",
    "TopHeadsMap", "TruthAsked", "TruthAskedWithSamples", "TruthLens", "VisionState", "texts",
    "there",
]  # fmt: skip


@dataclass(frozen=True)
class TokenScores(Channel):
    """The scored answer's tokens under the raw distribution (T = 1, no top-p, no processors).

    ``logprobs`` (nats), shape (n_answer_tokens,), end-of-sequence not counted.
    """

    name = "token_scores"
    depth = "log-probabilities"
    logprobs: Array


@dataclass(frozen=True)
class TokenEntropies(Channel):
    """Entropy of the raw distribution over the whole vocabulary at each answer token.

    ``by_token`` (nats), shape (n_answer_tokens,), end-of-sequence not counted.
    """

    name = "token_entropies"
    depth = "log-probabilities"
    by_token: Array


@dataclass(frozen=True)
class FirstTwo(Channel):
    """The two largest raw probabilities at the first answer position.

    ``probabilities``, shape (2,).
    """

    name = "first_two"
    depth = "log-probabilities"
    probabilities: Array


@dataclass(frozen=True)
class ImageMass(Channel):
    """Share of attention that goes to the image, shape (n_layers,), before renormalising.

    NaN in a layer that does not attend (linear attention, convolution).
    """

    name = "image_mass"
    by_layer: Array


@dataclass(frozen=True)
class ImageMaps(Channel):
    """Attention to the image per layer, shape (n_layers, height, width), each layer sums to 1.

    Mean over heads and answer-side positions. NaN in a layer that has no map: it does not attend,
    or its window has left the image.
    """

    name = "image_maps"
    by_layer: Array


@dataclass(frozen=True)
class ImageTokens(Channel):
    """The image tokens on their way through the layers.

    ``update_norm``, shape (n_layers,): mean over image tokens of ‖h^(l+1) − h^(l)‖₂. ``is_sink``,
    bool, shape (n_layers, n_tokens): tokens whose state at the layer's input is dominated by one
    dimension.
    """

    name = "image_tokens"
    update_norm: Array
    is_sink: Array


@dataclass(frozen=True)
class TopHeadsMap(Channel):
    """Attention to the image of the heads that add most to the answer's logit.

    ``share``, shape (height, width), sums to 1.
    """

    name = "top_heads_map"
    share: Array


@dataclass(frozen=True)
class QuestionMaps(Channel):
    """Attention of the question's content words, as `ImageMaps`; grounding tasks only."""

    name = "question_maps"
    by_layer: Array


@dataclass(frozen=True)
class BoundaryMaps(Channel):
    """Attention of the structural tokens after the image, as `ImageMaps`; grounding tasks only."""

    name = "boundary_maps"
    by_layer: Array


@dataclass(frozen=True)
class Samples(Channel):
    """K sampled answers, strings: stored in the records, where text is.

    ``texts``, shape (K,), as the adapter cuts them; ``normal``, shape (K,), and ``answer``,
    shape (1,), samples and scored answer under the benchmark's answer normalisation.
    """

    name = "samples"
    kept = False
    depth = "answers"
    texts: Array
    normal: Array
    answer: Array

    @classmethod
    def of(cls, samples: list[str], normal: list[str], answer: str) -> Self:
        """From plain strings."""
        return cls(texts(samples), texts(normal), texts([answer]))


@dataclass(frozen=True)
class ProbeOpinion(Channel):
    """What a probe fitted on another run says: ``probability`` of being correct, shape (1,)."""

    name = "probe_opinion"
    probability: Array


CHANNELS: tuple[type[Channel], ...] = (
    TokenScores,
    TokenEntropies,
    FirstTwo,
    ImageMass,
    ImageMaps,
    ImageTokens,
    TopHeadsMap,
    QuestionMaps,
    BoundaryMaps,
    LensReading,
    LensShares,
    TruthLens,
    Samples,
    TruthAsked,
    TruthAskedWithSamples,
    ConfidenceInTurn,
    ConfidenceAfterwards,
    ConfidenceOfProposal,
    CoreHidden,
    NeuronContributions,
    Perturbed,
    PerturbedState,
    AnswersEntailed,
    AnswersAlike,
    TokenAlternatives,
    ClaimsEntailed,
    TokenRelevance,
    SampleTokens,
    SamplesRelevance,
    Rephrased,
    ProbeOpinion,
    *DETECTOR_CHANNELS,
    *STATES,
)
BY_NAME: dict[str, type[Channel]] = {channel.name: channel for channel in CHANNELS}


def there(by_layer: Array) -> Array:
    """Those of the layers, along the first axis, that have a figure or a map at all.

    All of them where none has: such a channel is broken, and its NaN must show.
    """
    found = ~np.isnan(by_layer).reshape(len(by_layer), -1).all(axis=1)
    return by_layer[found] if found.any() else by_layer


def texts(values: list[str]) -> Array:
    """Strings as an array that keeps each of them whole."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
