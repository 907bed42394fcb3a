"""Agreement of the samples by meaning, as an outside model has compared them (`rescore`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from metrics.answers.kernel_entropy import kernel_language_entropy
from metrics.answers.laplacian import eccentricity_of, eigenvalue_sum_of
from metrics.answers.likelihoods import sentence_sar, weighted_cluster_entropy
from metrics.answers.matrices import enough, symmetric
from metrics.answers.meaning import (
    Labels,
    cluster_entropy,
    entailment_clusters,
    entailment_weights,
    mean_support,
    similarity_clusters,
)
from metrics.core.checks import FloatArray
from metrics.errors import UndefinedMetricError
from metrics.record.channels import AnswersAlike, AnswersEntailed, SampleScores
from metrics.signals.declaration import ANY, NEGATED, SHARE, Signal

_Groups = Callable[..., Labels]
_Weights = Callable[..., FloatArray]


def _by_entailment(given: AnswersEntailed) -> Labels:
    return entailment_clusters(given.entails, given.contradicts)


def _by_similarity(given: AnswersAlike) -> Labels:
    return similarity_clusters(given.similarity)


def _entailment(given: AnswersEntailed) -> FloatArray:
    return entailment_weights(given.entails, given.contradicts)


def _entails(given: AnswersEntailed) -> FloatArray:
    entails = np.asarray(given.entails, dtype=np.float64)
    both: FloatArray = (entails + entails.T) / 2
    return both


def _similarity(given: AnswersAlike) -> FloatArray:
    return np.asarray(given.similarity, dtype=np.float64)


def _agreement(labels: Labels) -> float:
    """Share of the samples that mean what the scored answer means."""
    cluster_entropy(labels[1:])  # undefined with fewer than two samples
    return float((labels[1:] == labels[0]).mean())


def _signals(
    suffix: str, words: str, needs: type[AnswersEntailed | AnswersAlike], groups: _Groups,
    weights: _Weights,
) -> tuple[Signal, ...]:  # fmt: skip
    """Those that are made of groups and of weights, whichever model they are of."""
    signal = partial(Signal, family="meaning", needs=(needs,), cost="outside model", cost_class=4)
    return (
        signal(
            f"semantic_entropy_{suffix}",
            f"−semantic entropy ({suffix})",
            source="arXiv 2302.09664",
            compute=lambda given: -cluster_entropy(_of_samples(groups(given))),
            bounds=NEGATED,
            about=f"−entropy (nats) of the samples over groups of one meaning, {words}",
        ),
        signal(
            f"likelihood_semantic_entropy_{suffix}",
            f"−semantic entropy, weighted ({suffix})",
            source="arXiv 2302.09664",
            needs=(needs, SampleScores),
            compute=lambda given, scores: _weighted_entropy(groups(given), scores),
            bounds=NEGATED,
            about="−entropy (nats) over groups of one meaning, a sample's weight e to the mean "
            f"log-probability of its tokens, {words}",
        ),
        signal(
            f"answer_agreement_{suffix}",
            f"agreement with the answer ({suffix})",
            source="arXiv 2302.09664 (ours)",
            compute=lambda given: _agreement(groups(given)),
            bounds=SHARE,
            states="share",
            about=f"share of the samples that mean what the scored answer means, {words}",
        ),
        signal(
            f"kernel_entropy_{suffix}",
            f"−kernel language entropy ({suffix})",
            source="arXiv 2405.20003",
            compute=lambda given: -kernel_language_entropy(weights(given)[1:, 1:]),
            bounds=NEGATED,
            about="−von Neumann entropy of the heat kernel (t = 0.3) of the samples' graph, "
            f"{words}",
        ),
    )


def _graph_of(
    suffix: str, words: str, needs: type[AnswersEntailed | AnswersAlike], weights: _Weights
) -> tuple[Signal, ...]:
    """Measures of the graph that a similarity makes of the answers."""
    signal = partial(
        Signal,
        family="meaning",
        source="arXiv 2305.19187",
        needs=(needs,),
        cost="outside model",
        cost_class=4,
    )
    return (
        signal(
            f"degree_{suffix}",
            f"degree of the answer ({suffix})",
            compute=lambda given: symmetric("degree", weights(given))[0, 1:].mean(),
            bounds=SHARE,
            about=f"mean similarity of the samples to the scored answer, {words}",
        ),
        signal(
            f"eccentricity_{suffix}",
            f"−eccentricity ({suffix})",
            compute=lambda given: -eccentricity_of(_samples("eccentricity", weights(given))),
            bounds=NEGATED,
            about=f"as `eccentricity`, with the similarity {words}",
        ),
        signal(
            f"laplacian_eigenvalues_{suffix}",
            f"−Laplacian eigenvalues ({suffix})",
            compute=lambda given: -eigenvalue_sum_of(_samples("eigenvalues", weights(given))),
            bounds=NEGATED,
            about=f"as `laplacian_eigenvalues`, with the similarity {words}",
        ),
    )


def _weighted_entropy(labels: Labels, scores: SampleScores) -> float:
    """−entropy over meanings, a sample's weight that of its tokens' geometric mean."""
    of_samples = _of_samples(labels)
    sums, lengths = _likelihoods(scores, len(of_samples))
    return -weighted_cluster_entropy(of_samples, sums / lengths)


def _sentence_sar(given: AnswersAlike, scores: SampleScores) -> float:
    alike = _samples("sentence_sar", _similarity(given))
    return -sentence_sar(alike, _likelihoods(scores, len(alike))[0])


def _likelihoods(scores: SampleScores, n: int) -> tuple[FloatArray, FloatArray]:
    """Log-probability and length of each of n samples."""
    if scores.logprobs.size != n:
        raise UndefinedMetricError("samples and their log-probabilities differ in number")
    enough(n)
    if (scores.lengths <= 0).any():
        raise UndefinedMetricError("a sample is empty: it has no token that could be likely")
    return scores.logprobs.astype(np.float64), scores.lengths.astype(np.float64)


def _samples(function: str, weights: FloatArray) -> FloatArray:
    """The samples' part of a matrix, each like itself."""
    found = symmetric(function, weights)[1:, 1:].copy()
    enough(len(found))
    np.fill_diagonal(found, 1.0)
    return found


def _of_samples(labels: Labels) -> Labels:
    return labels[1:]


SIGNALS = (
    *_signals(
        "entailment", "by entailment both ways", AnswersEntailed, _by_entailment, _entailment
    ),
    *_graph_of("entailment", "mean entailment both ways", AnswersEntailed, _entails),
    Signal(
        "luq",
        "support among answers (LUQ)",
        "meaning",
        "arXiv 2403.20279",
        (AnswersEntailed,),
        lambda given: mean_support(given.supports),
        bounds=SHARE,
        cost="outside model",
        cost_class=4,
        about="mean over pairs of answers, the scored one included, of how far one supports the "
        "other's sentences",
    ),
    *_signals("embeddings", "by embeddings", AnswersAlike, _by_similarity, _similarity),
    *_graph_of("embeddings", "of embeddings", AnswersAlike, _similarity),
    Signal(
        "sentence_sar",
        "likelihood of like samples (−SentenceSAR)",
        "meaning",
        "arXiv 2307.01379",
        (AnswersAlike, SampleScores),
        _sentence_sar,
        bounds=ANY,
        cost="outside model",
        cost_class=4,
        about="mean over the samples of ln (p(y_j) + 1000 Σ s(y_j, y_k) p(y_k)), the sum over the "
        "other samples, s of embeddings",
    ),
)
