from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import t as student

from benchmarks.simulations._worlds import Answers
from metrics.core.proportions import proportion_estimate
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import auroc_estimate, error_average_precision_estimate
from metrics.scores.discrimination import error_average_precision
from metrics.scores.ranking_estimates import ranking_estimates
from metrics.scores.risk_coverage import aurc, e_aurc, prr, risk_coverage_curve
from metrics.scores.selective import accuracy_at_coverage, augrc
from metrics.scores.selective_estimates import selective_estimates


def _run(seed=0, n=240, decimals=9):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n // 3), 3)
    y = rng.random(n) < 0.7
    return y, (rng.normal(size=n) + 1.2 * y).round(decimals), groups


def _found(y, s, groups, seed=1):
    return selective_estimates(y, s, groups, rng=np.random.default_rng(seed))


def _jackknife(function, y, s, groups):
    images = np.unique(groups)
    left = np.array([function(y[groups != g], s[groups != g]) for g in images])
    n = images.size
    return left, np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())


@pytest.mark.parametrize("decimals", [9, 0])
def test_standard_errors_are_those_of_leaving_out_each_image(decimals):
    # a slow loop over images with the plain functions, ties included
    y, s, groups = _run(decimals=decimals)
    found = _found(y, s, groups)
    for name, function in (("aurc", aurc), ("e_aurc", e_aurc), ("augrc", augrc), ("prr", prr)):
        _, stderr = _jackknife(function, y, s, groups)
        estimate, value = getattr(found, name), function(y, s)
        assert estimate.value == pytest.approx(value)
        assert estimate.stderr == pytest.approx(stderr), name
        # t with at most 79 degrees, here around 60, on the logit scale; PRR's on log(1 - PRR)
        half = student.ppf(0.975, 60) * stderr
        if name == "prr":
            ends = 1 - (1 - value) * np.exp(np.array([half, -half]) / (1 - value))
        else:
            ends = expit(logit(value) + np.array([-half, half]) / (value * (1 - value)))
        assert (estimate.low, estimate.high) == pytest.approx(tuple(ends), abs=0.01)
    ap = error_average_precision_estimate(y, s, groups=groups)
    _, stderr = _jackknife(error_average_precision, y, s, groups)
    assert ap.stderr == pytest.approx(stderr)


def test_many_images_are_left_out_in_parts():
    y, s, groups = _run(n=3000)
    _, stderr = _jackknife(prr, y, s, groups)
    assert _found(y, s, groups).prr.stderr == pytest.approx(stderr, rel=0.15)


def test_few_errors_at_a_high_auroc_are_covered():
    # 30 images x 8 answers, about 32 errors, true AUROC 0.993: percentiles cover PRR in 0.79
    world = Answers(30, 8, 32 / 240, 0.993)
    many = replace(world, images=10_000).draw(np.random.default_rng(0))
    truth = {"prr": prr(*many[:2]), "error_average_precision": error_average_precision(*many[:2])}
    inside = dict.fromkeys(truth, 0)
    for seed in range(200):
        found = ranking_estimates(*world.draw(np.random.default_rng(seed)), level=0.95)
        for name, value in truth.items():
            estimate = getattr(found, name)
            inside[name] += estimate.low <= value <= estimate.high
    assert min(inside.values()) >= 181  # P(fewer) < 0.01 at 95 %


def test_a_perfect_ranking_has_a_bound_and_not_no_width():
    y = np.arange(40) >= 20
    found = ranking_estimates(y, np.arange(40.0), np.arange(40), level=0.95)
    low = auroc_estimate(y, np.arange(40.0), groups=range(40)).low
    assert (found.prr.low, found.prr.value, found.prr.high) == pytest.approx((low, 1, 1))
    assert found.error_average_precision.low == pytest.approx(low)
    assert (found.e_aurc.low, found.e_aurc.value) == (0, 0)
    assert found.e_aurc.high == pytest.approx((1 - low) * (0.5 - found.aurc.value))
    assert found.augrc.high >= found.augrc.value + (1 - low) / 4
    assert found.aurc.low < found.aurc.value < found.aurc.high
    for name in ("prr", "error_average_precision", "e_aurc", "augrc", "aurc"):
        assert "rule of three" in getattr(found, name).note
        assert getattr(found, name).stderr > 0


def test_errors_of_one_image_have_no_intervals():
    y = np.r_[np.zeros(2), np.ones(38)]
    found = _found(y, np.arange(40.0), np.arange(40) // 2)
    assert found.prr.reason == "all wrong answers are of one image: no interval"
    assert found.accuracy_at_80.value == 1


def test_accuracy_at_coverage_varies_with_its_threshold():
    # thresholds taken as given: 0.86 of the intervals held the truth here
    world = Answers(125, 8, 0.2, 0.95)
    correct, score, _ = replace(world, images=20_000).draw(np.random.default_rng(0))
    truth = correct[score >= np.quantile(score, 0.2)].mean()
    inside, values, stderrs = 0, [], []
    for seed in range(200):
        y, s, groups = world.draw(np.random.default_rng(seed))
        at_80 = _found(y, s, groups).accuracy_at_80
        inside += at_80.low <= truth <= at_80.high
        values.append(at_80.value)
        stderrs.append(at_80.stderr)
    assert inside >= 181  # P(fewer) < 0.01 at 95 %
    assert np.mean(stderrs) == pytest.approx(np.std(values), rel=0.15)


def test_a_threshold_between_two_levels_may_fall_on_either():
    # exactly a fifth of the answers has the lowest score: another draw keeps four fifths, or less
    rng = np.random.default_rng(3)
    s = np.repeat([0.0, 1.0, 2.0], [80, 160, 160])
    y = rng.random(400) < np.repeat([0.1, 0.6, 0.9], [80, 160, 160])
    order = rng.permutation(400)
    y, s, groups = y[order], s[order], np.arange(400)
    at_80 = _found(y, s, groups).accuracy_at_80
    assert at_80.low < y.mean() < y[s >= 1].mean() < at_80.high
    assert "either of two tied scores" in at_80.note
    # far from the edge there is one threshold only, and it is certain
    at_90 = _found(y, s, groups).accuracy_at_90
    assert at_90 == proportion_estimate(y, groups)


def test_accuracy_at_coverage_is_the_plain_figure():
    y, s, groups = _run()
    found = _found(y, s, groups)
    same = np.random.default_rng(1)
    plain = accuracy_at_coverage(y, s, groups, coverage=0.8, rng=same)
    assert (found.accuracy_at_80.value, found.reached_80) == (plain.accuracy, plain.coverage)
    assert found.accuracy_at_80.value > found.accuracy_at_90.value - 0.02 > y.mean() - 0.02


def test_the_curve_is_thinned_and_keeps_its_ends():
    y, s, groups = _run()
    found, curve = _found(y, s, groups), risk_coverage_curve(y, s)
    assert len(found.coverage) == len(found.risk) == 101
    assert (found.coverage[0], found.coverage[-1]) == (1 / 240, 1.0)
    assert found.risk[-1] == pytest.approx((~y).mean())
    assert set(found.risk) <= set(curve.risk.tolist())
    few = _found(*_run(n=30))
    assert few.coverage == pytest.approx(np.arange(1, 31) / 30)


def test_few_images_leave_only_accuracy_at_coverage_undefined():
    y, s = np.arange(40) % 3 > 0, np.arange(40) % 7.0
    groups = np.arange(40) % 4
    found = _found(y, s, groups)
    assert found.accuracy_at_80.reason == "4 groups for 5 folds"
    assert found.reached_80 is None
    assert found.aurc.value == aurc(y, s)


def test_refusals():
    y, s, groups = _run()
    with pytest.raises(UndefinedMetricError, match="all 240 answers are correct"):
        _found(np.ones(240), s, groups)
    with pytest.raises(UndefinedMetricError, match="constant score"):
        _found(y, np.ones(240), groups)
    with pytest.raises(ValueError, match="`groups` must be of length 240"):
        _found(y, s, groups[1:])
    with pytest.raises(ValueError, match="`y_score` must be of length 240"):
        _found(y, s[1:], groups)
