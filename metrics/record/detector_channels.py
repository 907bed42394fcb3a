"""A few more numbers of passes that are made anyway, for detectors that need them."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.record.channel import Array, Channel

TOP = 15  # so many of the likeliest tokens make `TokenSteps.top_entropies`
CANDIDATES = ("yes", "no", *"ABCDEFGHIJ")  # what `CandidateMasses` counts
N_WORDS = 2  # of them are words, the rest letters of options


@dataclass(frozen=True)
class TokenSteps(Channel):
    """Functions of the raw distribution at each answer token, each of shape (n_answer_tokens,).

    ``margins``: largest less second largest probability. ``self_certainty`` (nats): KL from the
    uniform distribution to it. ``collision`` (nats): Rényi entropy of order 2. ``top_entropies``
    (nats): the part of the entropy that the 15 likeliest tokens have.
    """

    name = "token_steps"
    depth = "log-probabilities"
    margins: Array
    self_certainty: Array
    collision: Array
    top_entropies: Array


@dataclass(frozen=True)
class ListedTokens(Channel):
    """What the tokens that a server lists tell of each answer token's distribution.

    ``entropies`` (nats), shape (n_answer_tokens,): what it has at least. ``seen``, shape
    (n_answer_tokens,): probability of those that are listed.
    """

    name = "listed_tokens"
    depth = "log-probabilities"
    entropies: Array
    seen: Array


@dataclass(frozen=True)
class SampleScores(Channel):
    """The K samples under the raw distribution, which is not the one that they were drawn from.

    ``logprobs`` (nats), sum over the sample's tokens, and ``lengths`` in tokens, shape (K,);
    end-of-sequence not counted.
    """

    name = "sample_scores"
    depth = "log-probabilities"
    logprobs: Array
    lengths: Array


@dataclass(frozen=True)
class CandidateMasses(Channel):
    """Probability of all first tokens that say the same, at the first answer position.

    ``masses``, shape (12,), in the order of `CANDIDATES`, under the raw distribution; NaN where no
    token tells a candidate from the others. ``given``, shape (1,): which of them the answer begins
    with, −1 for none.
    """

    name = "candidate_masses"
    depth = "log-probabilities"
    masses: Array
    given: Array


@dataclass(frozen=True)
class BlankScores(Channel):
    """The same answer, forced, with the image blanked.

    ``logprobs`` and ``entropies`` (nats), shape (n_answer_tokens,), as `TokenScores` and
    `TokenEntropies`; ``divergence`` (nats), shape (1,): KL from the first position's distribution
    with the blank image to that with the image.
    """

    name = "blank_scores"
    depth = "log-probabilities"
    logprobs: Array
    entropies: Array
    divergence: Array


@dataclass(frozen=True)
class TokenImageMass(Channel):
    """Share of attention on the image where each answer token is predicted.

    ``by_token``, shape (n_answer_tokens,), mean over layers and heads.
    """

    name = "token_image_mass"
    by_token: Array


@dataclass(frozen=True)
class LookBack(Channel):
    """Attention of each answer token to the one before it.

    ``previous``, shape (n_layers in the middle third, n_answer_tokens), 0 for the first token: of
    the head of each layer that looks back most, mean over the answer.
    """

    name = "look_back"
    previous: Array


@dataclass(frozen=True)
class HeadMasses(Channel):
    """Where each head looks while it answers.

    ``shares``, shape (attending layers, n_heads, 3): share of attention on the image, on the rest
    of the prompt, on the answer so far; mean over answer-side positions.
    """

    name = "head_masses"
    shares: Array


@dataclass(frozen=True)
class SampleSpread(Channel):
    """How the K samples' states differ in the middle of the model.

    ``eigenvalues``, shape (K,), rising: of the covariance of the samples' states at their last
    token after the middle layer, each centred over its dimensions.
    """

    name = "sample_spread"
    eigenvalues: Array


@dataclass(frozen=True)
class VisionState(Channel):
    """The image inside the language model, each of shape (d_model,).

    ``features``: mean of the image tokens' embeddings, that is of the projected vision features.
    ``last``: state of the last image token after the middle layer.
    """

    name = "vision_state"
    features: Array
    last: Array


DETECTOR_CHANNELS: tuple[type[Channel], ...] = (
    TokenSteps,
    ListedTokens,
    SampleScores,
    CandidateMasses,
    BlankScores,
    TokenImageMass,
    LookBack,
    HeadMasses,
    SampleSpread,
    VisionState,
)
