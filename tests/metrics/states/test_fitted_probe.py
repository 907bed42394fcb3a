import json

import numpy as np
import pytest

from metrics.calibration.reliability import expected_calibration_error
from metrics.errors import UndefinedMetricError
from metrics.scores.discrimination import auroc
from metrics.states.fitted_probe import FittedProbe, fit_probe
from tests.metrics.helpers.planted import planted_states


def fitted(seed=0, n=600, **options):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.6
    hidden = planted_states(rng, correct, layer=3, dimension=2, auroc=0.85)
    return fit_probe(hidden, correct, np.arange(n) // 3, rng=rng, **options), rng


def test_it_knows_new_samples_as_well_as_planted_and_says_how_sure_it_is():
    probe, rng = fitted()
    correct = rng.random(4000) < 0.6
    hidden = planted_states(rng, correct, layer=3, dimension=2, auroc=0.85)
    assert probe.layer == 3
    assert auroc(correct, probe.decision(hidden)) == pytest.approx(0.85, abs=0.03)
    assert expected_calibration_error(correct, probe.probability(hidden)) < 0.06


def test_the_decision_is_the_formula():
    probe, rng = fitted(n=120)
    hidden = rng.normal(size=(5, 5, 16))
    for i in range(5):
        decision = probe.intercept
        for d in range(16):
            z = (hidden[i, probe.layer, d] - probe.mean[d]) * probe.inverse_scale[d]
            decision += probe.weight[d] * z
        assert probe.decision(hidden)[i] == pytest.approx(decision)
        p = 1 / (1 + np.exp(-(probe.slope * decision + probe.offset)))
        assert probe.probability(hidden)[i] == pytest.approx(p)


def test_weights_in_a_truncated_basis_still_take_plain_states():
    probe, rng = fitted(n=120, max_components=4)
    assert probe.weight.shape == (16,)
    assert np.isfinite(probe.decision(rng.normal(size=(3, 5, 16)))).all()


def test_what_is_saved_is_what_is_loaded():
    probe, rng = fitted(n=120)
    arrays, numbers = probe.to_arrays()
    again = FittedProbe.from_arrays(arrays, json.loads(json.dumps(numbers)))
    hidden = rng.normal(size=(7, 5, 16))
    assert (again.probability(hidden) == probe.probability(hidden)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, n: a.pop("weight"), "no weight"),
        (lambda a, n: n.pop("slope"), "no slope"),
        (lambda a, n: a.update(mean=a["mean"][:3]), "`mean` must be 16 finite numbers"),
        (lambda a, n: n.update(layer=5), r"`layer` must be in 0 … 4, got 5"),
        (lambda a, n: n.update(offset=float("nan")), "must be finite"),
    ],
)
def test_each_fault_of_a_saved_probe_is_named(change, message):
    arrays, numbers = fitted(n=120)[0].to_arrays()
    change(arrays, numbers)
    with pytest.raises(ValueError, match=message):
        FittedProbe.from_arrays(arrays, numbers)


def test_states_of_another_model_are_refused():
    probe, rng = fitted(n=120)
    with pytest.raises(ValueError, match=r"\(n, 5, 16\), those of the model it was fitted on"):
        probe.probability(rng.normal(size=(2, 5, 8)))


def test_too_few_errors_are_undefined():
    rng = np.random.default_rng(0)
    correct = np.arange(100) >= 10
    with pytest.raises(UndefinedMetricError, match="10 wrong answers of 100"):
        fit_probe(rng.normal(size=(100, 2, 3)), correct, range(100), rng=rng)
    with pytest.raises(UndefinedMetricError, match="do not vary"):
        fit_probe(np.ones((100, 2, 3)), np.arange(100) % 2, range(100), rng=rng)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"Cs": ()}, r"`Cs` must be positive numbers, got \[\]"),
        ({"Cs": (0.1, -1.0)}, r"`Cs` must be positive numbers, got \[0.1, -1.0\]"),
        ({"n_folds": 1}, "`n_folds` must be >= 2, got 1"),
    ],
)
def test_each_malformed_setting_is_named(change, match):
    with pytest.raises(ValueError, match=match):
        fitted(n=120, **change)


def test_the_order_of_the_strengths_does_not_matter():
    one, two = fitted(n=120, Cs=(0.1, 1e-3, 0.01))[0], fitted(n=120, Cs=(1e-3, 0.01, 0.1))[0]
    assert (one.weight == two.weight).all()
    with pytest.raises(ValueError, match=r"\(100, n_layers \+ 1, d_model\), got shape \(100, 3\)"):
        fit_probe(np.zeros((100, 3)), np.arange(100) % 2, range(100), rng=np.random.default_rng(0))
