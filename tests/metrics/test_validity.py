import math

import numpy as np
import pytest

from metrics.validity import check_signal, not_asked_for


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


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("self_consistency", {"k": 0}, "k=0 draws no samples"),
        ("semantic_entropy", {"k": 0}, "k=0 draws no samples"),
        ("probe", {"k": 0, "hidden_dtype": "none"}, "hidden_dtype=none keeps no hidden states"),
        ("probe_l1", {"hidden_max": 0}, "hidden_max=0 keeps no hidden states"),
        ("probe_blank", {"blank_image": False}, "blank_image was not given"),
        ("probe_blank", {"blank_image": True, "hidden_dtype": "none"},
         "hidden_dtype=none keeps no hidden states"),
        ("loaded_probe", {"probe": None}, "probe was not given"),
    ],
)  # fmt: skip
def test_settings_leave_signals_out(name, settings, reason):
    assert not_asked_for(name, settings) == reason


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("token_confidence", {"k": 0, "hidden_dtype": "none"}),
        ("attention_mlp", {"k": 0, "hidden_dtype": "none"}),
        ("self_consistency", {"k": 2}),
        ("self_consistency", {}),
        ("probe", {"hidden_dtype": "float16", "hidden_max": None}),
        ("loaded_probe", {"probe": "a run", "hidden_dtype": "none"}),
        ("no such signal", {"k": 0}),
    ],
)
def test_what_was_asked_for_is_not_excused(name, settings):
    assert not_asked_for(name, settings) is None
