"""Whether a signal tells anything at all: the test of AUROC = 1/2."""

from __future__ import annotations

import math

import numpy as np

from metrics._checks import BoolArray, FloatArray, IntArray
from metrics._clustered import auroc_influence, clustered_stderr, t_p_value
from metrics._limits import LEAST_GROUPS
from metrics._paired import in_a_pair


def chance_p_value(
    correct: BoolArray, score: FloatArray, strata: IntArray, group: IntArray
) -> float | None:
    r"""Return the two-sided p-value of AUROC = 1/2, within strata.

    A t test on the logit scale, as the interval: :math:`\operatorname{logit} A` over its standard
    error. A perfect separation has none; it is then the sign test over pairs of a right and a wrong
    answer that share no image. None with fewer than 20 images, and where nothing varies.
    """
    rows = in_a_pair(correct, strata)
    correct, score, strata, group = correct[rows], score[rows], strata[rows], group[rows]
    degrees = np.unique(group).size - 1
    if degrees + 1 < LEAST_GROUPS:
        return None
    value, influence = auroc_influence(correct, score, strata)
    if value in (0.0, 1.0):
        images = min(np.unique(group[correct]).size, np.unique(group[~correct]).size)
        return float(2.0 ** (1 - max(1, min(images, (degrees + 1) // 2))))
    stderr = clustered_stderr(influence, group) / (value * (1 - value))
    return t_p_value(math.log(value / (1 - value)), stderr, degrees) if stderr > 0 else None
