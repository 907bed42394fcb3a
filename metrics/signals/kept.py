"""Detectors that take a few more numbers of the passes that are made anyway."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from metrics.answers.candidates import NONE_GIVEN, candidate_masses
from metrics.answers.likelihoods import weighted_semantic_entropy
from metrics.errors import UndefinedMetricError
from metrics.maps.rauq import rauq
from metrics.record.channels import (
    CANDIDATES,
    N_WORDS,
    BlankScores,
    CandidateMasses,
    LookBack,
    Samples,
    SampleScores,
    SampleSpread,
    TokenEntropies,
    TokenScores,
    TokenSteps,
)
from metrics.signals.declaration import ANY, NEGATED, SHARE, Signal

SETS = (-float(len(CANDIDATES) - N_WORDS), -1.0)  # minus sizes of sets of candidates
REGULAR = 1e-3  # what EigenScore adds to the covariance's diagonal


def _mean_of(field: str) -> Callable[[TokenSteps], float]:
    def computed(steps: TokenSteps) -> float:
        values = getattr(steps, field)
        if not values.size:
            raise UndefinedMetricError("the answer is empty")
        return float(values.mean(dtype=np.float64))

    return computed


def _weighted_entropy(samples: Samples, scores: SampleScores) -> float:
    if samples.normal.size != scores.logprobs.size:
        raise UndefinedMetricError("samples and their log-probabilities differ in number")
    return -weighted_semantic_entropy(samples.normal.tolist(), scores.logprobs)


def _mean_logprob(scores: SampleScores) -> float:
    if not scores.logprobs.size:
        raise UndefinedMetricError("no answers were sampled")
    return float(scores.logprobs.mean(dtype=np.float64))


def _eigenscore(spread: SampleSpread) -> float:
    if spread.eigenvalues.size < 2:
        raise UndefinedMetricError("a covariance needs two samples")
    return float(np.log(spread.eigenvalues.astype(np.float64) + REGULAR).mean())


def _candidates(channel: CandidateMasses) -> tuple[float, np.ndarray]:
    return candidate_masses(channel.masses, int(channel.given[0]), n_words=N_WORDS)


def _margin(masses: CandidateMasses) -> float:
    own, others = _candidates(masses)
    return own - float(others.max())


def _share(masses: CandidateMasses) -> float:
    own, others = _candidates(masses)
    if own <= 0:
        raise UndefinedMetricError("the candidate of the answer has no probability")
    return own / (own + float(others.sum()))


def _sum_apart(shown: TokenScores, blank: BlankScores) -> float:
    return float((_same(shown.logprobs, blank.logprobs)).sum())


def _same(shown: np.ndarray, blank: np.ndarray) -> np.ndarray:
    if shown.size != blank.size:
        raise UndefinedMetricError("the answer was not forced as a whole on the blank image")
    if not shown.size:
        raise UndefinedMetricError("the answer is empty")
    return shown.astype(np.float64) - blank.astype(np.float64)


_step = partial(Signal, family="confidence", needs=(TokenSteps,), cost="answer", cost_class=1)
_sampled = partial(Signal, family="likelihood of samples", cost="samples", cost_class=1)
_candidate = partial(
    Signal,
    family="candidates",
    needs=(CandidateMasses,),
    cost="answer",
    cost_class=1,
    applies=NONE_GIVEN,
)
_image = partial(Signal, family="image information", cost="second pass", cost_class=3)

SIGNALS = (
    _step(
        "self_certainty",
        "self-certainty",
        source="arXiv 2502.18581",
        compute=_mean_of("self_certainty"),
        bounds=(0.0, np.inf),
        about="KL from the uniform distribution to that of each answer token, mean",
    ),
    _step(
        "renyi_entropy",
        "−Rényi entropy",
        source="arXiv 1006.5761, order 2",
        compute=lambda steps: -_mean_of("collision")(steps),
        bounds=NEGATED,
        about="−mean over answer tokens of −ln Σ p², the Rényi entropy of order 2",
    ),
    _step(
        "epr",
        "−entropy production rate (EPR)",
        source="arXiv 2509.04492",
        compute=lambda steps: -_mean_of("top_entropies")(steps),
        bounds=NEGATED,
        about="−entropy production rate: −Σ p ln p over the 15 likeliest tokens, mean over answer "
        "tokens, negated",
    ),
    _sampled(
        "likelihood_semantic_entropy",
        "−semantic entropy, weighted",
        source="arXiv 2302.09664",
        needs=(Samples, SampleScores),
        compute=_weighted_entropy,
        bounds=NEGATED,
        about="Σ P(c) ln P(c) over the samples' meanings c (equal normalised answers), "
        "P(c) ∝ Σ p(y_k)",
    ),
    _sampled(
        "predictive_entropy",
        "−predictive entropy",
        source="arXiv 2302.09664 (baseline)",
        needs=(SampleScores,),
        compute=_mean_logprob,
        bounds=NEGATED,
        about="mean log-probability of the samples, each as a whole, under the raw distribution",
    ),
    _sampled(
        "eigenscore",
        "nearness of sample states (−EigenScore)",
        source="arXiv 2402.03744",
        needs=(SampleSpread,),
        compute=lambda spread: -_eigenscore(spread),
        bounds=ANY,
        about="−mean ln (λ + 0.001) over the eigenvalues λ of the covariance of the samples' "
        "states at their last token, middle layer",
    ),
    _candidate(
        "candidate_mass",
        "candidate mass",
        source="arXiv 2402.14418",
        compute=lambda masses: _candidates(masses)[0],
        bounds=SHARE,
        about="probability of all first tokens that say the candidate of the answer: yes, no, or "
        "the letter of an option",
    ),
    _candidate(
        "candidate_margin",
        "candidate margin",
        source="arXiv 2402.14418",
        compute=_margin,
        bounds=(-1.0, 1.0),
        about="`candidate_mass` less that of the next candidate of its kind",
    ),
    _candidate(
        "candidate_share",
        "candidate share",
        source="arXiv 2402.14418",
        compute=_share,
        bounds=SHARE,
        about="`candidate_mass` as a share of that of all candidates of its kind",
    ),
    _candidate(
        "lac_set_size",
        "−prediction-set size (LAC)",
        source="arXiv 1609.00451",
        fitted=True,
        bounds=SETS,
        about="−number of candidates whose probability, as a share of their kind's, reaches what "
        "keeps the true one in at 90 % of other images' questions",
    ),
    _candidate(
        "aps_set_size",
        "−prediction-set size (APS)",
        source="arXiv 2006.02544",
        fitted=True,
        bounds=SETS,
        about="−number of the likeliest candidates of the answer's kind that together keep the "
        "true one in at 90 % of other images' questions",
    ),
    Signal(
        "rauq",
        "certainty carried by attention (−RAUQ)",
        "attention",
        "arXiv 2505.20045",
        (TokenScores, LookBack),
        lambda scores, back: -rauq(scores.logprobs, back.previous),
        bounds=NEGATED,
        cost_class=1,
        about="least over the middle third of layers of mean ln c, c_t = 0.2 p_t + 0.8 a c_{t−1}, "
        "a the attention to the token before of the head that looks back most",
    ),
    _image(
        "image_information",
        "image information",
        source="M3ID, arXiv 2403.14003",
        needs=(TokenScores, BlankScores),
        compute=_sum_apart,
        about="log-probability of the answer less that of the same answer with the image blanked",
    ),
    _image(
        "blank_entropy_difference",
        "entropy without image less with",
        source="arXiv 2602.21054",
        needs=(TokenEntropies, BlankScores),
        compute=lambda own, blank: -_same(own.by_token, blank.entropies).mean(),
        about="mean entropy of the answer's tokens with the image blanked less that with the image",
    ),
    _image(
        "first_step_divergence",
        "first-token change without image (KL)",
        source="arXiv 2605.29956",
        needs=(BlankScores,),
        compute=lambda blank: blank.divergence[0],
        bounds=(0.0, np.inf),
        about="KL from the first token's distribution on the blanked image to that on the image",
    ),
)
