import numpy as np
import pytest
from scipy.stats import binom, norm

from metrics.comparison.detectable import detectable_ranking_difference
from metrics.comparison.margins import beyond_margin
from metrics.scores.paired_differences import paired_augrc_difference, paired_auroc_difference

N = 400
GROUPS = np.arange(N) // 4
AREA, ACCURACY, MARGIN = 0.86, 0.7, 0.02
DIFFERENCES = {"auroc": paired_auroc_difference, "augrc": paired_augrc_difference}


def model(area, shared, rng):
    """Labels and a signal of this AUROC; ``shared`` is what two models have in common."""
    y = norm.cdf(0.8 * shared[0] + 0.6 * rng.normal(size=N)) < ACCURACY
    noise = 0.8 * shared[1] + 0.6 * rng.normal(size=N)
    return y, np.sqrt(2) * norm.ppf(area) * y + noise


def pair(lost, rng):
    shared = rng.normal(size=(2, N))
    return model(AREA - lost, shared, rng), model(AREA, shared, rng)


def difference_of(figure, new, old):
    plain = DIFFERENCES[figure](new, old, groups=GROUPS)
    return beyond_margin(plain, margin=MARGIN, n_groups=N // 4)


@pytest.mark.parametrize("figure", ["auroc", "augrc"])
def test_a_loss_of_that_size_is_found_with_the_stated_power(figure):
    """What equal models say can be seen is seen in 80 %, not in the 65 % of a fixed error."""
    rng, found, losses = np.random.default_rng(0), 0, []
    for _ in range(60):
        new, old = pair(0.0, rng)
        difference = difference_of(figure, new, old)
        losses.append(
            detectable_ranking_difference(
                difference, new, old, groups=GROUPS, figure=figure, margin=MARGIN
            )
        )
    loss = np.median(losses)
    per_auroc = 1 if figure == "auroc" else ACCURACY * (1 - ACCURACY)
    for _ in range(300):
        new, old = pair(loss / per_auroc, rng)
        difference = difference_of(figure, new, old)
        is_worse = (difference.estimate.value < 0) == (figure == "auroc")
        found += difference.p_value <= 0.05 and is_worse
    assert binom.ppf(0.005, 300, 0.78) <= found <= binom.ppf(0.995, 300, 0.85)


def test_a_margin_and_a_stricter_level_need_a_larger_loss():
    new, old = pair(0.0, np.random.default_rng(1))
    difference = difference_of("auroc", new, old)

    def loss(**options):
        return detectable_ranking_difference(difference, new, old, groups=GROUPS, **options)

    assert loss() < loss(margin=0.02) < loss(margin=0.05)
    assert loss() < loss(alpha=0.01)
    assert loss(power=0.5) < loss() < loss(power=0.95)


def test_what_cannot_be_found_is_none():
    new, old = pair(0.0, np.random.default_rng(1))
    difference = difference_of("auroc", new, old)
    assert detectable_ranking_difference(difference, new, old, groups=GROUPS, margin=0.9) is None
    same = difference_of("auroc", old, old)
    assert detectable_ranking_difference(same, old, old, groups=GROUPS) is None
    with pytest.raises(ValueError, match="`figure` must be auroc or augrc"):
        detectable_ranking_difference(difference, new, old, groups=GROUPS, figure="ece")
    with pytest.raises(ValueError, match="`power` must be in"):
        detectable_ranking_difference(difference, new, old, groups=GROUPS, power=0.01)
