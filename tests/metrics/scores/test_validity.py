import math

import numpy as np
import pytest

from metrics.scores.validity import check_signal


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.1, 0.3], None),
        ([0.1, math.nan, 0.3], None),
        ([-1e-12, 1e-12], None),
        ([0.1, math.inf, 0.3], "infinite for 1 of 3 samples"),
        ([math.nan, math.nan], "missing for all 2 samples"),
        ([], "missing for all 0 samples"),
        ([0.0, 0.0], "constant over the run: 0 for all 2 samples"),
        ([2.5, math.nan], "constant over the run: 2.5 for all 1 samples"),
    ],
)
def test_reasons(values, reason):
    assert check_signal(values) == reason


def test_a_uniform_map_in_single_precision_is_caught():
    uniform = np.full(50, math.log(576), np.float32) + np.float32(5e-7) * np.arange(-25, 25) / 25
    assert np.ptp(uniform) > 0
    assert check_signal(uniform).startswith("constant over the run")


@pytest.mark.parametrize(
    ("values", "bounds", "reason"),
    [
        ([0.0, 1.0], (0, 1), None),
        ([0.5, 1 + 1e-9], (0, 1), None),
        ([0.5, 1.5, math.nan], (0, 1), "outside its range [0, 1]: 0.5 … 1.5"),
        ([-0.5, 0.5], (0, 1), "outside its range [0, 1]: -0.5 … 0.5"),
        ([-3.0, 0.5], (-math.inf, 0), "outside its range [-inf, 0]: -3 … 0.5"),
    ],
)
def test_values_outside_the_declared_range(values, bounds, reason):
    assert check_signal(values, bounds=bounds) == reason
