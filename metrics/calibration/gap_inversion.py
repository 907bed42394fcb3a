"""True gaps of a probability's bins that agree with its plug-in ECE: the inversion of a test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrics.calibration.gaps import Gaps
from metrics.core.checks import FloatArray

N_HALVINGS = 24  # of a range of ECEs of at most about 1
Path = Callable[[float], FloatArray]
IsTooLarge = Callable[[FloatArray], bool | np.bool_]


def likeliest(gaps: Gaps) -> FloatArray:
    """Return the true gaps under which the plug-in ECE is as often too high as too low."""
    return _along_reduced(gaps, lambda drawn: (drawn <= gaps.plug_in).mean() < 0.5)


def limits(gaps: Gaps, level: float) -> tuple[float, float]:
    """Return the ends of the interval of the true ECE.

    The lower one is at the likeliest gaps, the upper one at those which add least noise: gaps that
    are spread over all bins are the hardest to tell from smaller ones.
    """
    tail, step = (1 - level) / 2, gaps.effect / (2 * gaps.n)  # half an answer: counts are discrete
    usual = float(np.median(gaps.plug_in_given(np.zeros(gaps.gap.size))))
    at_least_usual = max(gaps.plug_in, usual) + step
    low = _along_reduced(gaps, lambda drawn: (drawn >= gaps.plug_in - step).mean() > tail)
    high = _largest(
        gaps,
        gaps.spread,
        0.0,
        gaps.to_the_end,
        lambda drawn: (drawn <= at_least_usual).mean() < tail,
    )
    return float(np.abs(low).sum()), float(np.abs(high).sum())


def _along_reduced(gaps: Gaps, is_too_large: IsTooLarge) -> FloatArray:
    return _largest(gaps, gaps.reduced, gaps.to_nothing, -gaps.to_the_end, is_too_large)


def _largest(
    gaps: Gaps, path: Path, none: float, most: float, is_too_large: IsTooLarge
) -> FloatArray:
    """Return the largest true gaps on a path whose draws are not too large, by bisection."""
    if is_too_large(gaps.plug_in_given(path(none))):
        return path(none)
    for _ in range(N_HALVINGS):
        middle = (none + most) / 2
        if is_too_large(gaps.plug_in_given(path(middle))):
            most = middle
        else:
            none = middle
    return path(none)
