"""The consistency part of a card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.answers.self_consistency import majority_share
from metrics.card.consistency_by_k import auroc_by_k, precision_at_full_agreement
from metrics.card.parts import ConsistencyCard
from metrics.card.samples import LEVEL, Samples
from metrics.core.checks import FloatArray
from metrics.core.estimate import Estimate


def consistency_of(
    answers: Sequence[Sequence[str]], recorded: FloatArray | None, samples: Samples
) -> ConsistencyCard | None:
    """Return the part, or None where nothing was sampled.

    Precision is that of the signal self_consistency where it is recorded: the benchmark may compare
    answers in a form of its own.
    """
    most = max(map(len, answers), default=0)
    if most < 2:
        return None
    counted = np.array(
        [majority_share(a) if len(a) == most and any(a) else np.nan for a in answers]
    )
    s_sc = counted if recorded is None else recorded
    present = np.isfinite(s_sc)
    kept = samples.only(present)
    precision, n_full = Estimate.undefined("no labelled samples"), 0
    if kept.correct.size:
        n_full = int((s_sc[present] > 1 - 1e-9).sum())
        precision = precision_at_full_agreement(
            kept.correct, s_sc[present], kept.groups, level=LEVEL
        )
    return ConsistencyCard(
        at_k=auroc_by_k(samples.correct, answers, samples.groups, level=LEVEL),
        precision_at_full=precision,
        n_full=n_full,
        n_differ=int((np.abs(counted - s_sc) > 1e-6).sum()),
    )
