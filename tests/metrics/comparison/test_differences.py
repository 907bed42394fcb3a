import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student
from statsmodels.stats.multitest import multipletests

from metrics.comparison.differences import (
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
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (benjamini_hochberg(p) >= p - 1e-12).all()


def test_detectable_by_hand():
    found = smallest_detectable_difference(0.02, power=0.9, alpha=0.01)
    assert found == pytest.approx((norm.ppf(0.995) + norm.ppf(0.9)) * 0.02)


def test_detectable_beyond_a_margin_with_few_degrees():
    found = smallest_detectable_difference(0.02, degrees=9, margin=0.05)
    law = student(9)
    assert found == pytest.approx(0.05 + (law.ppf(0.975) + law.ppf(0.8)) * 0.02)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: holm([]), UndefinedMetricError, "no p-values"),
        (lambda: benjamini_hochberg([0.5, 2.0]), ValueError, "got 0.5 … 2"),
        (lambda: smallest_detectable_difference(0), ValueError, "`stderr` must be > 0, got 0"),
        (lambda: smallest_detectable_difference(1, power=1), ValueError, "`power` must be in"),
        (
            lambda: smallest_detectable_difference(0.01, power=0.001, alpha=0.999),
            ValueError,
            r"`power` must be in \(0.999, 1\]",
        ),
        (lambda: smallest_detectable_difference(1, margin=-1), ValueError, "`margin` must be >= 0"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
