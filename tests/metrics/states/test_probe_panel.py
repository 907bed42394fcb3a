import json

import numpy as np
import pytest

from metrics.scores.discrimination import auroc
from metrics.states.probe_controls import paper_protocol
from metrics.states.probe_panel import probe_panel
from metrics.states.probes import cross_fit_probe
from tests.metrics.helpers.planted import leaking_items, planted_states


def test_the_panel_finds_what_was_planted_and_where():
    rng = np.random.default_rng(0)
    correct = rng.random(300) < 0.6
    states = {
        "last_prompt": planted_states(rng, correct, n_layers=6, layer=3, dimension=2, auroc=0.85),
        "last_answer": planted_states(rng, correct, n_layers=6, layer=5, dimension=1, auroc=0.75),
        "blank": rng.normal(size=(300, 6, 16)),
    }
    states["last_answer"][:7] = np.nan  # empty answers
    groups = np.arange(300) // 3
    panel = probe_panel(states, correct, groups, rng=np.random.default_rng(5))
    assert panel.reasons == {}
    assert set(panel.scores) == {
        "probe", "probe_l1", "probe_mlp", "probe_last5", "probe_last_answer", "probe_blank"
    }  # fmt: skip
    alone = cross_fit_probe(
        states["last_prompt"], correct, groups, rng=np.random.default_rng(5), n_shuffles=49
    )
    assert panel.fits["probe"] == alone.fit
    assert set(panel.fits) == set(panel.scores)
    assert panel.fits["probe"].p == 0.02
    assert panel.fits["probe_blank"].p > 0.05
    assert panel.fits["probe_mlp"].p is None
    shuffled = {name: fit.shuffled for name, fit in panel.fits.items()}
    assert {name: len(own) for name, own in shuffled.items()} == {
        "probe": 49, "probe_last_answer": 19, "probe_blank": 19, "probe_last5": 19,
        "probe_l1": 4, "probe_mlp": 4,
    }  # fmt: skip
    assert all(abs(np.mean(own) - 0.5) < 0.1 for own in shuffled.values())
    assert panel.summary["shuffled_label_aurocs"] == alone.shuffled_aurocs.tolist()
    assert panel.summary["leakage"]["grouped_split"] == auroc(correct, alone.scores)
    assert (panel.scores["probe"] == alone.scores).all()
    assert auroc(correct, panel.scores["probe"]) == pytest.approx(0.85, abs=0.06)
    assert np.isnan(panel.scores["probe_last_answer"]).tolist() == [True] * 7 + [False] * 293
    assert auroc(correct[7:], panel.scores["probe_last_answer"][7:]) > 0.65
    assert abs(auroc(correct, panel.scores["probe_blank"]) - 0.5) < 0.12
    assert panel.summary["probe_l1"]["dimensions"][0]["dimension"] == 2
    assert set(panel.summary["probe_last_answer"]["layer_per_fold"]) == {5}
    assert abs(np.mean(panel.summary["shuffled_label_aurocs"]) - 0.5) < 0.1
    json.dumps(panel.summary, allow_nan=False)


def test_row_splits_leak_and_the_report_says_so():
    rng = np.random.default_rng(0)
    hidden, label, item = leaking_items(rng, n_items=100, repeats=3, d=128)
    panel = probe_panel({"last_prompt": hidden}, label, item, rng=rng)
    leakage = panel.summary["leakage"]
    assert leakage["row_split"] > 0.75
    assert abs(leakage["grouped_split"] - 0.5) < 0.2  # 100 items: two standard errors are 0.13
    assert leakage["difference"] > 5 * leakage["difference_sd"] / np.sqrt(20)
    assert f"{leakage['row_split']:.3f} ± " in leakage["line"]
    assert panel.summary["paper"]["n_splits"] == 20
    assert panel.summary["paper"]["auroc"] > 0.6
    assert "for comparison only" in panel.summary["paper"]["note"]


def test_the_papers_protocol_finds_something_in_nothing():
    """The best of 40 layers on 20 test rows; the honest protocol stays at a half."""
    rng = np.random.default_rng(1)
    hidden, label = rng.normal(size=(100, 40, 20)), np.arange(100) % 2
    best = paper_protocol(hidden, label, rng=rng)
    assert best.auroc == best.aurocs.mean() > 0.65
    assert np.nanmax(best.auroc_by_layer) < best.auroc


def test_too_few_errors_leave_reasons_and_no_scores():
    rng = np.random.default_rng(2)
    states = {"last_prompt": rng.normal(size=(100, 6, 4)), "mean_answer": np.ones((100, 6, 4))}
    panel = probe_panel(states, np.arange(100) >= 5, range(100), rng=rng)
    assert panel.scores == {}
    assert panel.reasons["probe"] == "5 wrong answers of 100, 20 are needed"
    assert set(panel.reasons) == {
        "probe", "probe_mean_answer", "probe_l1", "probe_mlp", "probe_last5"
    }  # fmt: skip


def test_few_layers_have_no_last_five():
    rng = np.random.default_rng(3)
    label = np.arange(100) % 2
    panel = probe_panel({"last_prompt": rng.normal(size=(100, 3, 4))}, label, range(100), rng=rng)
    assert panel.reasons == {"probe_last5": "3 layers only, 5 are needed"}


def test_positions_are_checked():
    rng = np.random.default_rng(4)
    with pytest.raises(ValueError, match="must be last_prompt and any of"):
        probe_panel({"blank": np.ones((4, 1, 1))}, [0, 1, 0, 1], range(4), rng=rng)
    with pytest.raises(ValueError, match="`groups` must be of length 4"):
        probe_panel({"last_prompt": np.ones((4, 1, 1))}, [0, 1, 0, 1], range(3), rng=rng)
    states = {"last_prompt": np.ones((4, 1, 1)), "blank": np.ones((3, 1, 1))}
    with pytest.raises(
        ValueError, match=r"`states\[blank\]` must be \(4, n_layers \+ 1, d_model\)"
    ):
        probe_panel(states, [0, 1, 0, 1], range(4), rng=rng)


def test_a_position_that_no_sample_has_is_undefined():
    rng = np.random.default_rng(5)
    label = np.arange(100) % 2
    states = {"last_prompt": rng.normal(size=(100, 1, 4)), "blank": np.full((100, 1, 4), np.nan)}
    panel = probe_panel(states, label, range(100), rng=rng)
    assert panel.reasons["probe_blank"] == "0 correct answers of 0, 20 are needed"
    assert "probe" in panel.scores
    states["last_prompt"][3, 0, 1] = np.nan  # a part of a state is a fault, not a missing one
    with pytest.raises(ValueError, match="1 non-finite of 400 at layer 0"):
        probe_panel(states, label, range(100), rng=rng)
