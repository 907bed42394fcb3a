"""What is seen beside an answer where somebody asks for it: passes of their own, other models."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.record.alternatives import ClaimsEntailed, SamplesRelevance, TokenRelevance
from metrics.record.channel import Array, Channel

# how an image is changed before the question is asked again; of a wrong one the answer may not stay
PERTURBATIONS = ("blur", "crop", "flip", "noise", "wrong_image")


@dataclass(frozen=True)
class TruthAsked(Channel):
    """The model asked whether its answer is true.

    ``masses``, shape (2,): probability that it goes on with a word for true, and with one for
    false, under the raw distribution.
    """

    name = "truth_asked"
    depth = "log-probabilities"
    masses: Array


@dataclass(frozen=True)
class TruthAskedWithSamples(Channel):
    """The same with the sampled answers shown, as `TruthAsked`."""

    name = "truth_asked_with_samples"
    depth = "log-probabilities"
    masses: Array


@dataclass(frozen=True)
class ConfidenceInTurn(Channel):
    """The confidence that the model states right behind its answer: ``share``, shape (1,)."""

    name = "confidence_in_turn"
    depth = "answers"
    share: Array


@dataclass(frozen=True)
class ConfidenceAfterwards(Channel):
    """The confidence that the model states when it is asked in a further turn, likewise."""

    name = "confidence_afterwards"
    depth = "answers"
    share: Array


@dataclass(frozen=True)
class ConfidenceOfProposal(Channel):
    """The confidence that the model states in its answer as if somebody else had proposed it."""

    name = "confidence_of_proposal"
    depth = "answers"
    share: Array


@dataclass(frozen=True)
class CoreHidden(Channel):
    """The same answer, forced, with the core of the image hidden from all attention.

    ``entropies`` (nats), shape (n_answer_tokens,), as `TokenEntropies`.
    """

    name = "core_hidden"
    entropies: Array


@dataclass(frozen=True)
class NeuronContributions(Channel):
    """How much each neuron of the feed-forward layers writes while the answer is read.

    ``by_layer``, shape (n_layers, n_neurons): length of what the neuron writes over length of what
    its layer's neurons write together (CETT), mean over the answer's tokens.
    """

    name = "neuron_contributions"
    by_layer: Array


@dataclass(frozen=True)
class PerturbedState(Channel):
    """What becomes of each answer token as the state that predicts it is pushed away from it.

    ``by_token``, shape (n_answer_tokens, 75), columns as `metrics.states.perturbed_state.FEATURES`.
    """

    name = "perturbed_state"
    by_token: Array


@dataclass(frozen=True)
class Perturbed(Channel):
    """The question asked again about the image changed in different ways.

    ``agrees``, shape (n_kinds,), in the order of `PERTURBATIONS`: 1 where the answer is the same
    under the benchmark's answer normalisation, 0 where it is not, NaN where the change is not legal
    for the question or was not tried.
    """

    name = "perturbed"
    depth = "answers"
    agrees: Array


@dataclass(frozen=True)
class AnswersEntailed(Channel):
    """What an outside model for entailment says of the scored answer and the samples.

    ``entails`` and ``contradicts``, shape (1 + K, 1 + K): probabilities that the answer of the row,
    the scored one first, entails or contradicts that of the column. ``supports``, likewise: mean
    over the column's sentences of the share of entailment in both.
    """

    name = "answers_entailed"
    kept = False
    depth = "answers"
    entails: Array
    contradicts: Array
    supports: Array


@dataclass(frozen=True)
class AnswersAlike(Channel):
    """How alike an outside model finds the scored answer and the samples.

    ``similarity``, shape (1 + K, 1 + K), in [0, 1], the same both ways, the scored answer first.
    """

    name = "answers_alike"
    kept = False
    depth = "answers"
    similarity: Array


@dataclass(frozen=True)
class Rephrased(Channel):
    """The question asked in other words, by runs of their own.

    ``agrees``, shape (n_rephrasings,): 1 where the answer is the same under the benchmark's answer
    normalisation, 0 where it is not.
    """

    name = "rephrased"
    kept = False
    depth = "answers"
    agrees: Array


NOT_COMPARED = "no other model has compared the answers (vrp-leaderboard rescore)"
NOT_REPHRASED = "no run in other words was given (vrp-leaderboard rescore --rephrased)"
# given once a run is done -> why it is not there before
OUTSIDE: dict[type[Channel], str] = {
    AnswersEntailed: NOT_COMPARED,
    AnswersAlike: NOT_COMPARED,
    ClaimsEntailed: NOT_COMPARED,
    TokenRelevance: NOT_COMPARED,
    SamplesRelevance: NOT_COMPARED,
    Rephrased: NOT_REPHRASED,
}
