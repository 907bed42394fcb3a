"""The parts of a card beside its signals: probabilities, fusions, consistency."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.calibration.reliability import ReliabilityBins
from metrics.card.scoring import SignalResult
from metrics.core.estimate import Estimate


@dataclass(frozen=True)
class CalibratedSignal:
    """A probability of being correct, and whether it comes true.

    ``method`` is "platt" (cross-fitted by image on the signal ``name``) or "as stated". Brier
    first: it needs no bins. ``ece`` and ``ece_equal_mass`` are debiased; ``ece_plug_in`` is the one
    usually printed, ``ece_floor`` its mean were the probability perfectly calibrated. ``p_value``
    is of the test that it is; without one ``p_reason`` says why. Where there is no probability,
    ``reason`` says why, ``n`` is 0 and the bins are empty.
    """

    name: str
    label: str
    method: str
    brier: Estimate
    brier_skill: Estimate
    ece: Estimate
    ece_equal_mass: Estimate
    ece_plug_in: float | None
    ece_floor: float | None
    p_value: float | None
    p_reason: str | None
    bins: ReliabilityBins
    bins_equal_mass: ReliabilityBins
    n: int
    reason: str | None


@dataclass(frozen=True)
class Fusion:
    """Cross-fitted logistic regression on several signals.

    ``weights`` are means over folds of the weights of the z-scored ``members``, ``weight_spread``
    their standard deviations over folds. ``n_dropped`` samples lacked a member. ``left_out`` pairs
    a signal that did not enter with the reason; ``reason`` says why there is no fusion at all.
    """

    name: str
    label: str
    members: tuple[str, ...]
    weights: tuple[float, ...]
    weight_spread: tuple[float, ...]
    result: SignalResult
    n_dropped: int
    reason: str | None
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ConsistencyCard:
    """What the number of samples buys, and how often full agreement is right.

    ``at_k`` pairs k = 2 … K with the AUROC that k samples give, the mean over all ways to pick them
    from the one K-run.
    ``precision_at_full`` is the accuracy of the ``n_full`` answers with S_SC = 1. ``n_differ``
    samples have another S_SC here than the signal self_consistency: the benchmark compares its
    answers in another form.
    """

    at_k: tuple[tuple[int, Estimate], ...]
    precision_at_full: Estimate
    n_full: int
    n_differ: int = 0
