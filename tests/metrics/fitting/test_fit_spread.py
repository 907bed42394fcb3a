import json
from dataclasses import replace

import numpy as np
import pytest

from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread, fit_spread
from metrics.scores.discrimination import auroc, within_kind_auroc


def _scores(rng, n_repeats=10, n=60):
    return np.arange(n) % 2, rng.normal(size=n) + 0.5 * rng.normal(size=(n_repeats, n))


def test_it_is_the_formula():
    y, scores = _scores(np.random.default_rng(0))
    kinds, answers = np.arange(60) // 20, np.arange(60) // 2 % 3
    found = fit_spread(y, scores, kinds=kinds, answers=answers, p=0.25)
    small = 9 / 7
    overall = np.var([auroc(y, s) for s in scores], ddof=1)
    assert found.stderr == pytest.approx(np.sqrt(2.5 * small * overall))
    for strata, stderr in (
        (kinds, found.stderr_within_kind), (answers, found.stderr_within_answer)
    ):  # fmt: skip
        within = np.var([within_kind_auroc(y, s, strata) for s in scores], ddof=1)
        assert stderr == pytest.approx(np.sqrt(3 * small * within))
    assert (found.repeats, found.p) == (10, 0.25)
    ten = fit_spread(y, scores, n_folds=10)
    assert ten.stderr == pytest.approx(np.sqrt(5 * small * overall))


def test_without_pairs_of_one_kind_the_spread_is_that_of_all_pairs():
    y, scores = _scores(np.random.default_rng(1))
    for kinds in (y, np.zeros(60), None):
        found = fit_spread(y, scores, kinds=kinds)
        assert found.stderr_within_kind == found.stderr > 0


def test_frozen_and_fit_variance_together_are_the_variance_of_a_pair_sum():
    """Where there is nothing to find, a kernel score: the closed form behind the factor."""
    rng = np.random.default_rng(2)
    values, frozen, added = [], [], []
    for _ in range(400):
        x, y = rng.normal(size=(80, 20)), rng.permutation(np.arange(80) % 2)
        kernel, folds = x @ x.T, np.array([rng.permutation(np.arange(80) % 5) for _ in range(12)])
        signed = 2 * y - 1
        scores = np.array([(kernel * (f[:, None] != f)) @ signed for f in folds])
        aurocs = np.array([auroc(y, s) for s in scores])
        middle = np.abs(aurocs - aurocs.mean()).argmin()
        values.append(aurocs[middle])
        placements = (scores[middle][y == 1][:, None] > scores[middle][y == 0]).astype(float)
        frozen.append(placements.mean(1).var(ddof=1) / 40 + placements.mean(0).var(ddof=1) / 40)
        added.append(fit_spread(y, scores).stderr ** 2)
    truth = np.var(values)
    assert np.mean(frozen) < 0.8 * truth
    assert 0.9 * truth < np.mean(frozen) + np.mean(added) < 2.5 * truth


def test_it_survives_a_manifest_and_reads_less_than_it_writes():
    found = FitSpread(20, 0.1, 0.2, 0.3, 0.05)
    assert FitSpread.from_json(json.loads(json.dumps(found.to_json()))) == found
    least = FitSpread.from_json({"repeats": 4, "stderr": 0.1, "p": None})
    assert least == FitSpread(4, 0.1, 0.1, 0.1, None)


def test_refusals():
    y, scores = _scores(np.random.default_rng(3))
    with pytest.raises(ValueError, match="`n_repeats` must be >= 4, got 3"):
        fit_spread(y, scores[:3])
    with pytest.raises(ValueError, match=r"`scores` must be \(n_repeats, 60\) finite numbers"):
        fit_spread(y, scores[:, :50])
    with pytest.raises(ValueError, match="finite"):
        fit_spread(y, np.full((5, 60), np.nan))
    with pytest.raises(UndefinedMetricError, match="all 60 answers are correct"):
        fit_spread(np.ones(60), scores)


def test_shuffled_labels_that_all_give_the_same_carry_no_interval():
    spread = FitSpread(repeats=4, stderr=0.1, stderr_within_kind=0.1, stderr_within_answer=0.1)
    told = replace(spread, shuffled=(0.5, 0.5)).shuffled_auroc
    assert told.low is None
    assert told.reason == "0.500 on each of 2 shuffled labels: no interval"
    assert replace(spread, shuffled=(0.4, 0.6)).shuffled_auroc.low == 0.0
