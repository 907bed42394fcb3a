import numpy as np
import pytest

from metrics.states.perturbed_state import FEATURES, perturbed_state_features


def features(states, logits, slope, token):
    found = perturbed_state_features(np.array(states), np.array(logits), np.array(slope), token)
    return dict(zip(FEATURES, found, strict=True))


def test_there_are_the_published_number_of_features_with_names_of_their_own():
    assert len(FEATURES) == 75 == len(set(FEATURES))


def test_a_certain_token_is_pushed_nowhere():
    """Its slope has no direction, so all states are the same."""
    found = features(np.ones((6, 3)), np.tile([9.0, 1.0], (6, 1)), np.zeros(3), 0)
    assert found["radius_to_flip"] == 24.0
    assert found["perturbation_energy"] == found["slope_norm"] == 0.0
    assert found["perturbed_kl_max"] == found["perturbed_state_distance_max"] == 0.0
    assert found["perturbed_logit_cosine_min"] == pytest.approx(1.0)


def test_a_token_that_cannot_be_leaves_everything_finite_but_what_it_loses():
    logits = np.array([[2.0, 1.0, -np.inf], [1.0, 2.0, -np.inf]])
    with np.errstate(invalid="ignore"):
        found = features(np.ones((2, 3)), logits, np.ones(3), 0)
    assert found["original_entropy"] == pytest.approx(0.5822, abs=1e-4)
    assert found["radius_to_flip"] == 4.0
    assert found["perturbed_kl_mean"] == pytest.approx(0.4621, abs=1e-4)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="slope"):
        perturbed_state_features(np.ones((6, 3)), np.ones((6, 4)), np.ones(2), 0)
    with pytest.raises(ValueError, match="states"):
        perturbed_state_features(np.ones((5, 3)), np.ones((6, 4)), np.ones(3), 0)
