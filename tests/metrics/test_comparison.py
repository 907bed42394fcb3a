import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from metrics.comparison import (
    benjamini_hochberg,
    holm,
    smallest_detectable_difference,
)
from metrics.errors import UndefinedMetricError

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03: 3 * 0.01, 2 * 0.02, max(0.04, 1 * 0.03)
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@pytest.mark.usefixtures("few_objects")
@given(p_values)
def test_adjustments(p):
    p = np.array(p)
    order = np.argsort(p)
    steps = np.maximum.accumulate((p.size - np.arange(p.size)) * p[order])
    assert holm(p)[order] == pytest.approx(np.minimum(steps, 1))
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (benjamini_hochberg(p) >= p - 1e-12).all()


def test_detectable_by_hand():
    found = smallest_detectable_difference(0.02, power=0.9, alpha=0.01)
    assert found == pytest.approx((norm.ppf(0.995) + norm.ppf(0.9)) * 0.02)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: holm([]), UndefinedMetricError, "no p-values"),
        (lambda: benjamini_hochberg([0.5, 2.0]), ValueError, "got 0.5 … 2"),
        (lambda: smallest_detectable_difference(0), ValueError, "`stderr` must be > 0, got 0"),
        (lambda: smallest_detectable_difference(1, power=1), ValueError, "`power` must be in"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
