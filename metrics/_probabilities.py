"""Probabilities of being correct, calibrated on other images or as stated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metrics._checks import FloatArray
from metrics._estimate import Estimate
from metrics._fusion import FUSIONS
from metrics._logistic import probabilities_by_fold
from metrics._parts import CalibratedSignal
from metrics._samples import Samples
from metrics._scoring import LEVEL
from metrics.calibration import ReliabilityBins, reliability_bins
from metrics.calibration_card import calibration_estimates
from metrics.errors import UndefinedMetricError
from metrics.signals import BY_NAME

# One signal of each origin, what has seen most first. Fixed before any figure is seen, so that the
# first, which readers use, is not picked by the figures shown for it.
PREFERENCE = ("fused_all", "fused_single_pass", "probe", "answer_agreement", "token_confidence")
_NO_BINS = ReliabilityBins((), (), (), (), ())


def probabilities_of(
    columns: Mapping[str, FloatArray],
    stated: Mapping[str, FloatArray],
    samples: Samples,
) -> tuple[CalibratedSignal, ...]:
    """Return Platt-calibrated signals in the order of PREFERENCE, then those stated.

    Within the first, undefined ones come last.
    """
    calibrated = [
        _calibrated(name, columns[name], samples) for name in PREFERENCE if name in columns
    ]
    calibrated.sort(key=lambda signal: signal.reason is not None)
    return (*calibrated, *(_described(n, "as stated", p, samples) for n, p in stated.items()))


def _calibrated(name: str, score: FloatArray, samples: Samples) -> CalibratedSignal:
    present = np.isfinite(score)
    kept = samples.only(present)
    prob = np.full(score.size, np.nan)
    try:
        prob[present] = probabilities_by_fold(score[present], kept.correct, kept.fitting_folds())
    except UndefinedMetricError as undefined:
        return _nothing(name, "platt", str(undefined))
    return _described(name, "platt", prob, samples)


def _described(name: str, method: str, prob: FloatArray, all_: Samples) -> CalibratedSignal:
    present = np.isfinite(prob)
    samples, p = all_.only(present), prob[present]
    try:
        found = calibration_estimates(samples.correct, p, weights=samples.weights, level=LEVEL)
    except UndefinedMetricError as undefined:
        return _nothing(name, method, str(undefined))
    bins, equal_mass = (
        reliability_bins(samples.correct, p, equal_mass=equal) for equal in (False, True)
    )
    return CalibratedSignal(
        name, _label(name), method, found.ece, found.ece_equal_mass, found.brier,
        found.brier_skill, bins, equal_mass, p.size, None,
    )  # fmt: skip


def _nothing(name: str, method: str, reason: str) -> CalibratedSignal:
    figures = (Estimate.undefined(reason),) * 4
    return CalibratedSignal(name, _label(name), method, *figures, _NO_BINS, _NO_BINS, 0, reason)


def _label(name: str) -> str:
    if name in FUSIONS:
        return FUSIONS[name][0]
    return BY_NAME[name].label if name in BY_NAME else name.replace("_", " ")
