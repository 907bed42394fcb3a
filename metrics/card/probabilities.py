"""Probabilities of being correct, calibrated on other images or as stated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metrics.calibration.estimates import calibration_estimates
from metrics.calibration.miscalibration import LEVEL_AND_SLOPE
from metrics.calibration.reliability import ReliabilityBins, reliability_bins
from metrics.card.fusion import FUSIONS
from metrics.card.parts import CalibratedSignal
from metrics.card.samples import LEVEL, Samples
from metrics.core.checks import FloatArray
from metrics.core.estimate import Estimate
from metrics.errors import UndefinedMetricError
from metrics.fitting.cross_fitting import calibrated_probabilities
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
        prob[present] = calibrated_probabilities(
            _odds(name, score[present]),
            kept.correct,
            kept.groups,
            rng=np.random.default_rng(samples.seed),
        )
    except UndefinedMetricError as undefined:
        return _nothing(name, "platt", str(undefined))
    return _described(name, "platt", prob, samples)


def _odds(name: str, score: FloatArray) -> FloatArray:
    return BY_NAME[name].odds(score) if name in BY_NAME else score


def _described(name: str, method: str, prob: FloatArray, all_: Samples) -> CalibratedSignal:
    present = np.isfinite(prob)
    samples, p = all_.only(present), prob[present]
    n_fitted = LEVEL_AND_SLOPE if method == "platt" else 0
    try:
        found = calibration_estimates(
            samples.correct, p, samples.groups, n_fitted=n_fitted, level=LEVEL
        )
    except UndefinedMetricError as undefined:
        return _nothing(name, method, str(undefined))
    bins, equal_mass = (
        reliability_bins(samples.correct, p, equal_mass=equal) for equal in (False, True)
    )
    return CalibratedSignal(
        name, _label(name), method, found.brier, found.brier_skill, found.ece.debiased,
        found.ece_equal_mass.debiased, found.ece.plug_in, found.ece.noise_floor,
        found.test.p_value, found.test.reason, bins, equal_mass, p.size, None,
    )  # fmt: skip


def _nothing(name: str, method: str, reason: str) -> CalibratedSignal:
    none = Estimate.undefined(reason)
    return CalibratedSignal(
        name, _label(name), method, none, none, none, none, None, None, None, reason,
        _NO_BINS, _NO_BINS, 0, reason,
    )  # fmt: skip


def _label(name: str) -> str:
    if name in FUSIONS:
        return FUSIONS[name][0]
    return BY_NAME[name].label if name in BY_NAME else name.replace("_", " ")
