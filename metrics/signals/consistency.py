"""Whether K sampled answers agree, compared as answers under the benchmark's normalisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from metrics.answers.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_share,
    n_distinct,
    pairwise_agreement,
)
from metrics.errors import UndefinedMetricError
from metrics.record.channels import Samples
from metrics.signals.declaration import NEGATED, SHARE, Signal


def of_samples(compute: Callable[[list[str], str], float]) -> Callable[[Samples], float]:
    """Of the samples and the scored answer, both in the benchmark's form."""

    def computed(samples: Samples) -> float:
        if not samples.normal.size:
            raise UndefinedMetricError("no answers were sampled")
        return float(compute(samples.normal.tolist(), str(samples.answer[0])))

    return computed


_signal = partial(
    Signal, family="consistency", source="method §3", needs=(Samples,), cost="samples"
)

SIGNALS = (
    _signal(
        "self_consistency",
        "self-consistency (S_SC)",
        compute=of_samples(lambda samples, _: majority_share(samples)),
        bounds=SHARE,
        source="method §3, paper eq. 5",
        headline=True,
        reported=True,
        about="share of the sampled answers that give the most frequent one",
    ),
    _signal(
        "answer_agreement",
        "agreement with the answer",
        compute=of_samples(answer_agreement),
        bounds=SHARE,
        source="method §3 (ours)",
        reported=True,
        states="share",
        about="share of the sampled answers that equal the scored answer",
    ),
    _signal(
        "pairwise_agreement",
        "pairwise agreement",
        compute=of_samples(lambda samples, _: pairwise_agreement(samples)),
        bounds=SHARE,
        about="share of the pairs of sampled answers that are equal",
    ),
    _signal(
        "distinct_answers",
        "−distinct answers",
        compute=of_samples(lambda samples, _: -n_distinct(samples)),
        bounds=NEGATED,
        about="−number of different answers among the samples",
    ),
    _signal(
        "semantic_entropy",
        "−discrete semantic entropy",
        compute=of_samples(lambda samples, _: -discrete_semantic_entropy(samples)),
        bounds=NEGATED,
        about="−entropy (nats) of the shares of the different answers among the samples",
    ),
)
