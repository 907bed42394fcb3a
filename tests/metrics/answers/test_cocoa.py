import pytest

from metrics import UndefinedMetricError, cocoa


def test_it_is_confidence_times_consistency():
    assert cocoa(2.0, ["a", "b", "c", "a"], "a") == pytest.approx(2.0 * 0.5)
    assert cocoa(2.0, ["a", "a"], "a") == 0
    assert cocoa(0.0, ["b", "b"], "a") == 0
    assert cocoa(0.5, ["red bus", "bus"], "bus") == pytest.approx(0.5 * (1 / 3) / 2)


def test_it_refuses_what_is_no_uncertainty_and_needs_an_answer():
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="uncertainty"):
            cocoa(wrong, ["a", "b"], "a")
    with pytest.raises(UndefinedMetricError):
        cocoa(0.5, ["a", "b"], "")
