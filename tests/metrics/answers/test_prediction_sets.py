"""Conformal sets against order statistics, loops, and the coverage that they promise."""

import math
from fractions import Fraction

import numpy as np
import pytest

from metrics import UndefinedMetricError
from metrics.answers.prediction_sets import (
    aps_nonconformity,
    conformal_threshold,
    holds,
    lac_nonconformity,
    prediction_sets,
)

RULES = [lac_nonconformity, aps_nonconformity]


def probabilities(rng, n, sharpness=1.0):
    """Of four candidates, the fourth missing in every third row."""
    p = np.exp(sharpness * rng.normal(size=(n, 4)))
    p[::3, 3] = np.nan
    return p / np.nansum(p, axis=1, keepdims=True)


def test_one_question_an_image_is_the_usual_order_statistic():
    rng = np.random.default_rng(0)
    for m in (8, 9, 10, 57, 199):
        e = rng.random(m)
        rank = math.ceil((m + 1) * Fraction(9, 10))
        expected = sorted(e)[rank - 1] if rank <= m else math.inf
        assert conformal_threshold(e, range(m)) == expected


def test_images_weigh_the_same_however_many_questions_they_have():
    rng = np.random.default_rng(1)
    for _ in range(30):
        image = rng.integers(0, 6, 25).tolist()
        e = rng.integers(0, 8, 25) / 8  # with ties
        m = len(set(image))

        def reached(t, e=e, image=image, m=m):
            return sum(
                Fraction(sum(e[j] <= t for j in own), len(own) * (m + 1))
                for own in ([j for j in range(25) if image[j] == i] for i in set(image))
            )

        expected = next((t for t in sorted(e) if reached(t) >= Fraction(7, 10)), math.inf)
        assert conformal_threshold(e, image, coverage=0.7) == expected


def test_nonconformity_is_its_definition():
    p = probabilities(np.random.default_rng(2), 40)
    p[5, :3] = [0.5, 0.25, 0.25]
    p[5, 3] = 0.0
    for row, lac, aps in zip(p, lac_nonconformity(p), aps_nonconformity(p), strict=True):
        for c, own in enumerate(row):
            if math.isnan(own):
                assert lac[c] == aps[c] == math.inf
            else:
                assert lac[c] == 1 - own
                assert aps[c] == pytest.approx(sum(other for other in row if other > own))
    for rule in RULES:
        with pytest.raises(ValueError, match="distributions"):
            rule(np.array([[0.5, 0.2]]))


def test_sets_never_are_empty_and_hold_no_candidate_that_there_is_not():
    p = probabilities(np.random.default_rng(3), 60)
    for rule in RULES:
        e = rule(p)
        assert (prediction_sets(e, -1.0).sum(axis=1) == 1).all()
        everything = prediction_sets(e, np.inf)
        assert (everything == ~np.isnan(p)).all()
        assert (prediction_sets(e, 0.8) <= everything).all()
    assert holds(everything, np.full(60, 3)).tolist() == (~np.isnan(p[:, 3])).tolist()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("per_image", [1, 5])
def test_the_true_candidate_is_in_at_the_promised_rate_for_new_images(rule, per_image):
    """Models that are badly calibrated, questions of an image that are right or wrong together."""
    rng = np.random.default_rng(4)
    m, n_draws, covered = 25, 1500, []
    for _ in range(n_draws):
        n = (m + 1) * per_image
        image = np.arange(n) // per_image
        p = probabilities(rng, n, sharpness=2.0)
        blurred = np.nan_to_num(p) ** 0.4  # the truth is drawn from less than the model states
        hard = (rng.random(m + 1) < 0.3)[image]
        blurred[hard] = ~np.isnan(p[hard])
        cumulative = blurred.cumsum(axis=1) / blurred.sum(axis=1, keepdims=True)
        truth = (rng.random((n, 1)) > cumulative).sum(axis=1)
        e = rule(p)
        of_truth = e[np.arange(n), truth]
        new = image == m
        threshold = conformal_threshold(of_truth[~new], image[~new].tolist())
        covered.append((of_truth[new] <= threshold).mean())
    stderr = np.std(covered) / math.sqrt(n_draws)
    assert np.mean(covered) > 0.9 - 3 * stderr
    if per_image == 1 and rule is lac_nonconformity:
        # no two are equal: then no more than the one image that is not there can add
        assert np.mean(covered) < 0.9 + 1 / (m + 1) + 3 * stderr


def test_too_few_images_take_everything_in_and_none_is_undefined():
    assert conformal_threshold([0.1] * 8, range(8)) == math.inf
    assert conformal_threshold([0.1] * 9, range(9)) == 0.1
    assert conformal_threshold([math.inf] * 40, range(40)) == math.inf
    with pytest.raises(UndefinedMetricError, match="true candidate"):
        conformal_threshold([], [])
    with pytest.raises(ValueError, match="NaN"):
        conformal_threshold([math.nan], ["a"])
    with pytest.raises(ValueError, match="coverage"):
        conformal_threshold([0.5], ["a"], coverage=1.5)
