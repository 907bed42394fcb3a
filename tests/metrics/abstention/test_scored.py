import numpy as np
import pytest

from metrics.abstention.scored import Scored
from metrics.errors import UndefinedMetricError


def scored(score):
    return Scored.of("test", np.ones(len(score)), score, range(len(score)))


def test_few_distinct_scores_are_all_thresholds():
    assert scored([0.5, 0.1, 0.5, np.nan, 0.9]).thresholds(3).tolist() == [0.9, 0.5, 0.1]


def test_many_scores_give_thresholds_evenly_over_the_answers():
    found = scored(np.random.default_rng(0).permutation(1000).astype(float))
    thresholds = found.thresholds(10)
    shown = [found.at(threshold, 0.95).n_shown for threshold in thresholds]
    assert shown == list(range(100, 1001, 100))


def test_ties_stay_together():
    found = scored(np.repeat([3.0, 2.0, 1.0], [10, 500, 490]) + 0.0)
    assert [found.at(t, 0.95).n_shown for t in found.thresholds(2)] == [510, 1000]


def test_without_a_score_there_is_no_threshold():
    with pytest.raises(UndefinedMetricError, match="no answer has the signal"):
        scored([np.nan]).thresholds(3)
