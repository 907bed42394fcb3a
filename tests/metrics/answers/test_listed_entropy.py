import numpy as np
import pytest
from scipy.stats import entropy

from metrics import UndefinedMetricError
from metrics.answers.listed_entropy import entropy_at_least


def test_it_bounds_the_entropy_rises_with_what_is_listed_and_ends_in_it():
    rng = np.random.default_rng(0)
    for sharpness in (0.5, 2.0, 8.0):
        logits = sharpness * rng.normal(size=60)
        logprobs = np.sort(logits - np.logaddexp.reduce(logits))[::-1]
        exact = entropy(np.exp(logprobs))
        found = [entropy_at_least(logprobs[:k]) for k in (1, 2, 5, 20, 59, 60)]
        bounds, seen = zip(*found, strict=True)
        assert np.all(np.diff(bounds) >= -1e-12)
        assert max(bounds) <= exact + 1e-12
        # the one token that is not told is the rest itself
        assert bounds[-2:] == pytest.approx([exact, exact])
        assert seen == pytest.approx([np.exp(logprobs[:k]).sum() for k in (1, 2, 5, 20, 59, 60)])


def test_a_sure_token_has_none_and_what_is_no_distribution_is_undefined():
    assert entropy_at_least([0.0, -np.inf]) == (0.0, 1.0)
    assert entropy_at_least([1e-4]) == (0.0, 1.0)  # rounding of a server
    for told in ([], [-0.1, -0.2]):
        with pytest.raises(UndefinedMetricError, match="no distribution"):
            entropy_at_least(told)
    with pytest.raises(ValueError, match="NaN"):
        entropy_at_least([np.nan])
