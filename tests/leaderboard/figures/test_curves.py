import pytest

from leaderboard.figures.curves import model_charts, run_charts
from tests.leaderboard.helpers.cards import make_card, signal
from tests.leaderboard.helpers.curved import by_title, pair


def test_each_part_of_a_card_has_its_chart():
    charts = by_title(run_charts(*pair()))
    assert list(charts) == [
        "Risk against coverage",
        "Reliability: token confidence",
        "AUROC of self-consistency by number of samples",
        "Probe AUROC by layer",
        "Margin of the true answer (oracle)",
        "Added to the margin of the given answer",
    ]


def test_points_say_their_values():
    charts = by_title(run_charts(*pair()))
    risk = charts["Risk against coverage"]
    assert [line.name for line in risk.lines] == ["token confidence", "self-consistency (S_SC)"]
    assert risk.lines[0].tips[1] == "risk 0.250 at coverage 0.50"
    by_k = charts["AUROC of self-consistency by number of samples"].lines[0]
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
        "Risk against coverage: self-consistency (S_SC)",
        "AUROC of self-consistency by number of samples",
        "Probe AUROC by layer",
    ]
    for plot in charts.values():
        assert [line.name for line in plot.lines] == [f"m{i}" for i in range(8)]
        assert len({line.style for line in plot.lines}) == 8
