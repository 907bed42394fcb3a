"""Which of several cross-fits of the same samples is reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metrics.core.checks import BoolArray, FloatArray, Labels
from metrics.fitting.fit_spread import LEAST_REPEATS, FitSpread, fit_spread
from metrics.fitting.logistic_columns import auroc_columns


def middle_repeat(correct: BoolArray, scores: FloatArray) -> int:
    """Which row of out-of-fold scores (n_repeats, n) has the AUROC nearest to their mean.

    One cross-fit is reported, not the mean of their scores: a sample's own label is left out of
    every fit that scores it, so the mean of many ranks equal states *against* their labels (on
    noise with two distinct states, AUROC 0.447).
    """
    found = auroc_columns(correct, scores.T)
    return int(np.abs(found - found.mean()).argmin())


def reported_repeat(
    correct: BoolArray,
    scores: Sequence[FloatArray],
    *,
    kinds: Labels | None = None,
    answers: Labels | None = None,
    n_folds: int = 5,
) -> tuple[int, FitSpread | None]:
    """Return which repeat to report, and what fitting adds to its standard error."""
    stacked = np.array(scores)
    chosen = middle_repeat(correct, stacked)
    if len(stacked) < LEAST_REPEATS:
        return chosen, None
    spread = fit_spread(correct, stacked, kinds=kinds, answers=answers, n_folds=n_folds)
    return chosen, spread
