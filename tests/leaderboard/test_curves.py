from dataclasses import replace
from pathlib import Path

import pytest

from leaderboard.aggregate import RunResult, TaskResult
from leaderboard.curves import model_charts, run_charts
from leaderboard.profiles import Curve, LayerProfile
from metrics.bootstrap import Estimate
from metrics.calibration import reliability_bins
from metrics.card import CalibratedSignal, ConsistencyCard
from metrics.selective_card import Selective
from tests.leaderboard.cards import estimate, make_card, signal
from tests.leaderboard.full_card import SELECTIVE
from tests.leaderboard.golden import KINDS, make_manifest, make_records

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


def test_each_part_of_a_card_has_its_chart():
    charts = by_title(run_charts(*pair()))
    assert list(charts) == [
        "Risk against coverage",
        "Reliability: token confidence",
        "AUROC of S_SC by number of samples",
        "Probe AUROC by layer",
        "Margin of the true answer (oracle)",
        "Added to the margin of the given answer",
    ]


def test_points_say_their_values():
    charts = by_title(run_charts(*pair()))
    risk = charts["Risk against coverage"]
    assert [line.name for line in risk.lines] == ["token confidence", "self-consistency S_SC"]
    assert risk.lines[0].tips[1] == "risk 0.250 at coverage 0.50"
    by_k = charts["AUROC of S_SC by number of samples"].lines[0]
    assert by_k.tips[1] == "k 3: 0.700 [0.650, 0.750]"
    assert by_k.band
    probe = charts["Probe AUROC by layer"].lines[0]
    assert probe.tips == ("layer 1: 0.600", "layer 2: 0.800")


def test_a_reliability_diagram_has_a_point_per_filled_bin():
    diagram = by_title(run_charts(*pair()))["Reliability: token confidence"]
    (line,) = diagram.lines
    # (0, 0.5] holds 0.2 and 0.4 with one right of two; (0.5, 1] holds 0.9, right
    assert line.tips == (
        "stated 0.30, right 0.50, n 2",
        "stated 0.90, right 1.00, n 1",
    )
    figures = "Brier skill 0.250, debiased ECE 0.125, its noise floor 0.062."
    assert figures in diagram.caption
    assert "cross-fitted by image" in diagram.caption
    assert diagram.diagonal


def test_margins_start_at_the_embeddings_and_shares_are_said():
    charts = by_title(run_charts(*pair()))
    truth = charts["Margin of the true answer (oracle)"]
    assert truth.lines[0].tips[0].endswith("layer 0: 0")
    assert "5 answers have none" in truth.caption
    branches = charts["Added to the margin of the given answer"]
    assert branches.lines[0].tips[0].endswith("layer 1: 0")
    # 3 of 3 + 1 logits
    assert "Share of the MLPs in the growth: 75 % (right answers)" in branches.caption


@pytest.mark.parametrize("probe", [{"auroc_by_layer": None}, {"probe": {}}, {"probe_l1": {}}])
def test_what_is_absent_has_no_chart(probe):
    run, result = pair(probe=probe, card=make_card((signal("probe", None),)), profiles=())
    assert run_charts(run, result) == ()


def test_a_signal_without_selective_figures_has_no_curve():
    run, result = pair(card=make_card((signal("token_confidence", 0.7),)), profiles=())
    assert [plot.title for plot in run_charts(run, result)] == ["Probe AUROC by layer"]


def test_models_are_compared_when_there_are_two_and_at_most_eight():
    assert model_charts([pair()]) == ()
    charts = by_title(model_charts([pair(f"m{i}") for i in range(10)]))
    assert list(charts) == [
        "Risk against coverage: token confidence",
        "Risk against coverage: self-consistency S_SC",
        "AUROC of S_SC by number of samples",
        "Probe AUROC by layer",
    ]
    for plot in charts.values():
        assert [line.name for line in plot.lines] == [f"m{i}" for i in range(8)]
        assert len({line.style for line in plot.lines}) == 8
