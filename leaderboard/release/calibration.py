"""Gates on calibration: whether probabilities set up for the old run hold for the new one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.release.tolerances import STATED_GATES, signal_of
from metrics.calibration.calibration_error import calibration_error_estimate
from metrics.calibration.differences import (
    paired_brier_difference,
    paired_calibration_error_difference,
)
from metrics.calibration.reliability import brier_loss
from metrics.comparison.differences import Difference
from metrics.fitting.cross_fitting import transferred_probabilities
from metrics.signals import BY_NAME

Found = tuple[float | None, float | None, Difference]


def calibration_change(
    gate: str,
    correct: np.ndarray,
    scores: np.ndarray,
    groups: Sequence[str],
    *,
    rng: np.random.Generator,
) -> Found:
    """A figure of both runs' probabilities, and their difference.

    Parameters
    ----------
    gate : str
        ``brier``, ``ece``, ``brier_stated`` or ``ece_stated`` of a signal.
    correct, scores : array, shape (2, n)
        Labels and signal; old is row 0.
    groups : sequence of str
        Image of each sample.
    rng : numpy.random.Generator
        Source of the splits.

    Returns
    -------
    tuple
        Old, new, and new less old.
    """
    old, new = zip(correct, _probabilities(gate, correct[0], scores, groups, rng), strict=True)
    if gate.startswith("brier"):
        difference = paired_brier_difference(new, old, groups=groups)
        return brier_loss(*old), brier_loss(*new), difference
    found = [calibration_error_estimate(*side, groups).debiased.value for side in (old, new)]
    return found[0], found[1], paired_calibration_error_difference(new, old, groups=groups)


def _probabilities(
    gate: str,
    old_correct: np.ndarray,
    scores: np.ndarray,
    groups: Sequence[str],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    signal = BY_NAME[signal_of(gate) or ""]
    if gate.partition(".")[0] in STATED_GATES:
        old, new = signal.probability(scores)
        return old, new
    old, new = signal.odds(scores)
    return transferred_probabilities(old, old_correct, new, groups, rng=rng)
