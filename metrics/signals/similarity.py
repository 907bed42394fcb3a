"""How alike the samples are as words: the graph that they make, and CoCoA on top of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from metrics.answers.cocoa import cocoa
from metrics.answers.generation import mean_entropy, mean_logprob, sequence_logprob
from metrics.answers.lexical import answer_degree, lexical_similarity
from metrics.answers.similarity_graph import eccentricity, laplacian_eigenvalue_sum
from metrics.errors import UndefinedMetricError
from metrics.record.channels import Channel, Samples, TokenEntropies, TokenScores
from metrics.signals.confidence import of_tokens
from metrics.signals.consistency import of_samples
from metrics.signals.declaration import NEGATED, SHARE, Signal


def _cocoa(unsure: Callable[..., float]) -> Callable[[Channel, Samples], float]:
    """Of a per-token channel, which says how unsure the answer is, and the samples."""
    uncertainty = of_tokens(unsure)

    def of_both(tokens: Channel, samples: Samples) -> float:
        if not samples.normal.size:
            raise UndefinedMetricError("no answers were sampled")
        unsure_by = max(uncertainty(tokens), 0.0)  # rounding
        return -cocoa(unsure_by, samples.normal.tolist(), str(samples.answer[0]))

    return of_both


_graph = partial(
    Signal, family="similarity graph", source="arXiv 2305.19187", needs=(Samples,), cost="samples"
)
_cocoa_signal = partial(
    Signal, family="CoCoA", source="arXiv 2502.04964", bounds=NEGATED, cost="samples"
)

SIGNALS = (
    _graph(
        "lexical_similarity",
        "lexical similarity",
        compute=of_samples(lambda samples, _: lexical_similarity(samples)),
        bounds=SHARE,
        source="arXiv 2005.10608",
        about="mean ROUGE-L (words, F score) over all pairs of samples; `pairwise_agreement` where "
        "answers are one word",
    ),
    _graph(
        "degree",
        "degree of the answer",
        compute=of_samples(answer_degree),
        bounds=SHARE,
        about="mean ROUGE-L of the samples to the scored answer; `answer_agreement` where answers "
        "are one word",
    ),
    _graph(
        "eccentricity",
        "−eccentricity",
        compute=of_samples(lambda samples, _: -eccentricity(samples)),
        bounds=NEGATED,
        about="−U_Ecc: −length of the samples' centred entries in the eigenvectors, of eigenvalues "
        "below 0.9, of the Laplacian of their ROUGE-L",
    ),
    _graph(
        "laplacian_eigenvalues",
        "−Laplacian eigenvalues",
        compute=of_samples(lambda samples, _: -laplacian_eigenvalue_sum(samples)),
        bounds=NEGATED,
        about="−U_EigV = −Σ max(0, 1 − λ) over the eigenvalues of the Laplacian of ROUGE-L; "
        "`distinct_answers`, the number of sets, where answers are one word",
    ),
    _cocoa_signal(
        "cocoa_msp",
        "confidence × agreement, sequence (CoCoA)",
        needs=(TokenScores, Samples),
        compute=_cocoa(lambda logprobs: -np.expm1(sequence_logprob(logprobs))),
        about="−(1 − p(y)) · mean_k (1 − s(y, y_k)), s the ROUGE-L of words",
    ),
    _cocoa_signal(
        "cocoa_nll",
        "confidence × agreement, log-likelihood (CoCoA)",
        needs=(TokenScores, Samples),
        compute=_cocoa(lambda logprobs: -sequence_logprob(logprobs)),
        about="`cocoa_msp` with −ln p(y) in place of 1 − p(y), as in the authors' code",
    ),
    _cocoa_signal(
        "cocoa_perplexity",
        "confidence × agreement, perplexity (CoCoA)",
        needs=(TokenScores, Samples),
        compute=_cocoa(lambda logprobs: -mean_logprob(logprobs)),
        about="`cocoa_msp` with −mean log-probability of the answer's tokens in place of 1 − p(y)",
    ),
    _cocoa_signal(
        "cocoa_entropy",
        "confidence × agreement, entropy (CoCoA)",
        needs=(TokenEntropies, Samples),
        compute=_cocoa(mean_entropy),
        about="`cocoa_msp` with the mean entropy of the answer's tokens in place of 1 − p(y)",
    ),
)
