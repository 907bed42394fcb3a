import numpy as np
import pytest

from metrics import UndefinedMetricError, svar


def test_of_32_layers_it_is_the_papers_window():
    mass = np.random.default_rng(0).random(32)
    assert svar(mass) == pytest.approx(mass[5:19].mean())


@pytest.mark.parametrize(("n", "window"), [(1, (0, 0)), (2, (0, 1)), (6, (1, 3)), (28, (4, 16))])
def test_other_models_are_read_at_the_same_depth(n, window):
    mass = np.random.default_rng(n).random(n)
    assert svar(mass) == pytest.approx(mass[window[0] : window[1] + 1].mean())


def test_layers_that_do_not_attend_are_left_out():
    assert svar([np.nan, 0.2, np.nan, 0.4, np.nan, np.nan]) == pytest.approx(0.3)
    with pytest.raises(UndefinedMetricError, match="middle"):
        svar([0.5, np.nan, np.nan, np.nan, 0.5, 0.5])
    with pytest.raises(ValueError, match="shares"):
        svar([0.5, 1.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="n_layers"):
        svar([])
