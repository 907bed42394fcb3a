import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.simulations.abstention import DESIGNS
from benchmarks.simulations.design import outcome_of
from metrics.abstention.promise import promised_threshold
from metrics.errors import UndefinedMetricError


def answers(n, *, error_rate=0.2, seed=0):
    rng = np.random.default_rng(seed)
    correct = rng.random(n) > error_rate
    return correct, 2.5 * correct + rng.normal(size=n)


def plain_threshold(correct, score, risk, delta):
    """Fixed-sequence testing of every distinct score, one question an image, written out."""
    grid = sorted(set(score), reverse=True)
    shown = [[c for c, s in zip(correct, score, strict=True) if s >= t] for t in grid]
    start = next(i for i, kept in enumerate(shown) if (1 - risk) ** len(kept) <= delta)
    wanted = min(2 * len(shown[start]), len(correct))
    start = next(i for i, kept in enumerate(shown) if len(kept) >= wanted)
    passed = None
    for threshold, kept in list(zip(grid, shown, strict=True))[start:]:
        if binom.cdf(len(kept) - sum(kept), len(kept), risk) > delta:
            break
        passed = threshold
    return passed


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_that_of_a_plain_loop(seed):
    correct, score = answers(500, seed=seed)
    score = np.round(score, 1)  # fewer than 100 thresholds, tied
    found = promised_threshold(correct, score, range(500), risk=0.1, confidence=0.9)
    assert found.found.threshold == plain_threshold(correct, score, 0.1, 0.1)
    shown = score >= found.found.threshold
    assert found.found.coverage.value == shown.mean()
    assert found.found.risk == (~correct)[shown].mean() <= found.found.high <= 0.1


def test_an_answer_without_the_signal_is_never_shown():
    correct, score = answers(400, error_rate=0.02)
    holes = np.where(np.arange(400) < 100, np.nan, score)
    found = promised_threshold(correct, holes, range(400), risk=0.1)
    assert found.found.n == 400
    assert found.found.n_shown <= 300
    assert found.found.coverage.value == found.found.n_shown / 400


def test_too_few_images_and_too_many_errors_promise_nothing_and_say_which():
    with pytest.raises(UndefinedMetricError, match=r"58 images are too few for a risk of 0\.05"):
        promised_threshold([1] * 58, range(58), range(58), risk=0.05)
    assert promised_threshold([1] * 59, range(59), range(59), risk=0.05).found.coverage.value == 1
    with pytest.raises(UndefinedMetricError, match="20 images are too few"):
        promised_threshold([1] * 600, range(600), np.arange(600) // 30, risk=0.05)
    with pytest.raises(UndefinedMetricError, match="too many of the surest answers are wrong"):
        promised_threshold([0, 1] * 200, range(400), range(400), risk=0.05)
    with pytest.raises(UndefinedMetricError, match="no answer has the signal"):
        promised_threshold([1, 0], [np.nan, np.nan], range(2), risk=0.05)


def test_a_constant_score_shows_all_or_nothing():
    assert promised_threshold([1] * 90, [0] * 90, range(90), risk=0.05).found.n_shown == 90
    with pytest.raises(UndefinedMetricError, match="too many"):
        promised_threshold([1] * 90 + [0] * 10, [0] * 100, range(100), risk=0.05)


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: f"{design.kind}: {design.data}")
def test_the_promise_holds_at_its_rate_where_the_truth_is_planted(design):
    outcome = outcome_of(design, draws=60)
    assert not outcome.misses_goal, f"{outcome.yes} of {outcome.answered}"


def test_malformed_arguments_are_refused():
    for bad in ({"risk": 0.0}, {"risk": 0.1, "confidence": 1.0}):
        with pytest.raises(ValueError, match="must be in"):
            promised_threshold([1], [1.0], [0], **bad)
    with pytest.raises(ValueError, match="finite, or NaN where missing"):
        promised_threshold([1], [np.inf], [0], risk=0.1)
