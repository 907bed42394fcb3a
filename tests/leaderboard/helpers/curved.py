"""A run whose every curve has figures chosen by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leaderboard.results.aggregate import RunResult, TaskResult
from leaderboard.results.profiles import Curve, LayerProfile
from metrics.calibration.reliability import reliability_bins
from metrics.card.card import CalibratedSignal, ConsistencyCard
from metrics.scores.bootstrap import Estimate
from metrics.scores.selective_estimates import Selective
from tests.leaderboard.helpers.cards import estimate, make_card, signal
from tests.leaderboard.helpers.full_card import SELECTIVE
from tests.leaderboard.helpers.golden import KINDS, make_manifest, make_records

NONE = Estimate.undefined("not of interest here")


def selective(*, n: int = 4) -> Selective:
    coverage = tuple((i + 1) / n for i in range(n))
    return replace(SELECTIVE, coverage=coverage, risk=tuple(c / 2 for c in coverage))


def calibrated() -> CalibratedSignal:
    bins = reliability_bins([0, 1, 1], [0.2, 0.4, 0.9], n_bins=2)
    return CalibratedSignal(
        name="token_confidence",
        label="token confidence",
        method="platt",
        brier=NONE,
        brier_skill=estimate(0.25),
        ece=estimate(0.125),
        ece_equal_mass=NONE,
        ece_plug_in=0.135,
        ece_floor=0.0625,
        p_value=0.5,
        p_reason=None,
        bins=bins,
        bins_equal_mass=bins,
        n=3,
        reason=None,
    )


def pair(label: str = "m", probe: dict | None = None, **changes) -> tuple[RunResult, TaskResult]:
    signals = tuple(
        replace(s, selective=selective())
        for s in (signal("token_confidence", 0.7), signal("self_consistency", 0.8))
    )
    card = replace(
        make_card(signals),
        probabilities=(calibrated(),),
        consistency=ConsistencyCard(((2, estimate(0.6)), (3, estimate(0.7))), NONE, 0),
    )
    curves = [LayerProfile(n, curve(v), None, 0) for n, v in (("margin_from_mlp", 3.0),)]
    curves += [LayerProfile("margin_from_attention", curve(1.0), None, 0)]
    curves += [LayerProfile("truth_margin", curve(2.0), curve(-2.0), 5)]
    fields = {"task": "shapes", "kinds": KINDS, "card": card, "profiles": tuple(curves)}
    result = TaskResult(**fields | changes)
    probes = {"shapes": probe or {"probe": {"auroc_by_layer": [None, 0.6, 0.8]}}}
    manifest = replace(make_manifest(make_records(4)), probe=probes)
    return RunResult(label, Path(label), manifest, (result,)), result


def curve(value: float) -> Curve:
    return Curve((0.0, value), (0.0, value), (0.0, value), 7)


def by_title(charts):
    return {plot.title: plot for plot in charts}
