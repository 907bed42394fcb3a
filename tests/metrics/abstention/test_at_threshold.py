import numpy as np
import pytest

from metrics.abstention.at_threshold import (
    promise_verdict,
    risk_at_threshold,
    risk_by_threshold,
)
from metrics.abstention.selective_risk import selective_risk_bounds


def answers(n, *, seed=0):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) > 0.2
    return correct, 2.5 * correct + rng.normal(size=n)


def test_labels_do_not_choose_the_thresholds():
    correct, score = answers(600)
    one = risk_by_threshold(correct, score, range(600))
    other = risk_by_threshold(~correct, score, range(600))
    assert [point.threshold for point in one] == [point.threshold for point in other]
    assert len(one) == 40
    assert one[-1].coverage.value == 1.0


def test_a_promise_is_kept_broken_or_cannot_be_told():
    verdicts = []
    for n_wrong in (0, 5, 30):
        correct = [0] * n_wrong + [1] * (100 - n_wrong)
        found = risk_at_threshold(correct, [1.0] * 100, range(100), threshold=1.0)
        verdicts.append(promise_verdict(found, risk=0.05))
    assert verdicts == ["kept", "cannot tell", "broken"]
    nothing = risk_at_threshold([1, 0], [0.0, 0.0], range(2), threshold=1.0)
    assert (nothing.risk, nothing.low, nothing.high) == (None, 0.0, 1.0)
    assert promise_verdict(nothing, risk=0.05) == "cannot tell"


def test_the_curve_is_the_plain_risk_of_each_threshold():
    correct, score = answers(120)
    groups = np.arange(120) // 4
    for point in risk_by_threshold(correct, score, groups, confidence=0.9, n_points=7):
        kept = [c for c, s in zip(correct, score, strict=True) if s >= point.threshold]
        assert point.risk == pytest.approx(1 - np.mean(kept))
        assert (point.n_shown, point.n_groups) == (len(kept), 30)
        bounds = selective_risk_bounds(correct, score >= point.threshold, groups, confidence=0.9)
        assert (point.low, point.high) == bounds


def test_malformed_arguments_are_refused():
    with pytest.raises(ValueError, match="`threshold` must be finite"):
        risk_at_threshold([1], [1.0], [0], threshold=np.nan)
    with pytest.raises(ValueError, match="`n_points` must be >= 2"):
        risk_by_threshold([1], [1.0], [0], n_points=1)
