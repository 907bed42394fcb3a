"""Whether K sampled answers agree, compared as answers under the benchmark's normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from metrics.answers.self_consistency import (
    answer_agreement,
    discrete_semantic_entropy,
    majority_share,
    n_distinct,
    pairwise_agreement,
)
from metrics.errors import UndefinedMetricError
from metrics.record.channels import Samples
from metrics.signals.declaration import NEGATED, SHARE, Bounds, Signal


def _signal(
    name: str,
    label: str,
    compute: Callable[[list[str], str], float],
    bounds: Bounds,
    *,
    source: str = "method §3",
    headline: bool = False,
    reported: bool = False,
    states: Literal["probability", "log-probability", "share"] | None = None,
) -> Signal:
    def of_samples(samples: Samples) -> float:
        if not samples.normal.size:
            raise UndefinedMetricError("no answers were sampled")
        return float(compute(samples.normal.tolist(), str(samples.answer[0])))

    return Signal(
        name,
        label,
        "consistency",
        source,
        (Samples,),
        of_samples,
        bounds=bounds,
        cost="samples",
        headline=headline,
        reported=reported,
        states=states,
    )


SIGNALS = (
    _signal(
        "self_consistency",
        "self-consistency S_SC",
        lambda samples, _: majority_share(samples),
        SHARE,
        source="method §3, paper eq. 5",
        headline=True,
        reported=True,
    ),
    _signal(
        "answer_agreement",
        "agreement with the answer",
        answer_agreement,
        SHARE,
        source="method §3 (ours)",
        reported=True,
        states="share",
    ),
    _signal(
        "pairwise_agreement",
        "pairwise agreement",
        lambda samples, _: pairwise_agreement(samples),
        SHARE,
    ),
    _signal(
        "distinct_answers",
        "−distinct answers",
        lambda samples, _: -n_distinct(samples),
        NEGATED,
    ),
    _signal(
        "semantic_entropy",
        "−discrete semantic entropy",
        lambda samples, _: -discrete_semantic_entropy(samples),
        NEGATED,
    ),
)
