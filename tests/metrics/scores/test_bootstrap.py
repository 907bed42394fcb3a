import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import average_precision_score, roc_auc_score

from metrics.core.resampling import weighted_mean
from metrics.errors import UndefinedMetricError
from metrics.scores.bootstrap import (
    Estimate,
    auroc_estimate,
    cluster_weights,
    error_average_precision_estimate,
    mean_estimate,
)
from metrics.scores.ranking import ranking_replicates, weighted_stratified_auroc


def test_weights_draw_whole_groups():
    groups = ["a", "b", "a", "c", "b"]
    weights = cluster_weights(groups, n_resamples=400, rng=np.random.default_rng(0))
    assert weights.shape == (400, 5)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()  # three groups, three draws
    assert weights[:, 0].mean() == pytest.approx(1, abs=0.15)


def test_weights_repeat_with_the_seed():
    one, two = (
        cluster_weights(range(9), n_resamples=5, rng=np.random.default_rng(7)) for _ in range(2)
    )
    assert (one == two).all()


@given(st.integers(0, 10_000))
def test_weighted_statistics_equal_repeated_samples(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    y, s = rng.random(n) < 0.6, rng.integers(0, int(rng.integers(2, 60)), n).astype(float)
    kinds = rng.integers(0, 3, n)
    weights = rng.integers(0, 3, (n, 3)).astype(np.uint16)
    plain, stratified = (
        weighted_stratified_auroc(y, s, np.zeros(n, np.int64), weights),
        weighted_stratified_auroc(y, s, kinds, weights),
    )
    ranking, mean = ranking_replicates(y, s, weights), weighted_mean(s, weights)
    precision = ranking.error_precision
    for b in range(3):
        rows = np.repeat(np.arange(n), weights[:, b])
        yb, sb, kb = y[rows], s[rows], kinds[rows]
        assert (mean[b] == pytest.approx(sb.mean())) if rows.size else np.isnan(mean[b])
        if rows.size == 0 or yb.all() or not yb.any():
            assert np.isnan([plain[b], precision[b], ranking.aurc[b]]).all()
            continue
        assert ranking.auroc[b] == plain[b]
        assert ranking.accuracy[b] == pytest.approx(yb.mean())
        assert ranking.aurc[b] == pytest.approx(_area_by_loop(yb, sb), abs=1e-9)
        assert ranking.oracle_aurc[b] == pytest.approx(_area_by_loop(yb, yb), abs=1e-9)
        assert plain[b] == pytest.approx(roc_auc_score(yb, sb), abs=1e-12)
        assert precision[b] == pytest.approx(average_precision_score(~yb, -sb), abs=1e-6)
        pairs = [
            (sb[i] > sb[j]) + 0.5 * (sb[i] == sb[j])
            for i in np.flatnonzero(yb)
            for j in np.flatnonzero(~yb)
            if kb[i] == kb[j]
        ]
        expected = np.mean(pairs) if pairs else np.nan
        assert stratified[b] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def _area_by_loop(y, s):
    """Mean risk over every number kept, where tied answers are kept in equal parts."""
    risks = []
    for kept in range(1, y.size + 1):
        wrong, room = 0.0, kept
        for value in sorted(set(s), reverse=True):
            level = y[s == value]
            wrong += (~level).mean() * min(room, level.size)
            room -= min(room, level.size)
        risks.append(wrong / kept)
    return np.mean(risks)


def _gaussian(rng, n, shift):
    y = rng.random(n) < 0.6
    return y, rng.normal(size=n) + shift * y


def test_interval_width_agrees_with_hanley_and_mcneil():
    rng = np.random.default_rng(3)
    y, s = _gaussian(rng, 2000, 1.0)
    found = auroc_estimate(y, s, groups=range(2000))
    a, n1, n0 = found.value, y.sum(), (~y).sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0)
    assert found.stderr == pytest.approx(variance**0.5, rel=0.1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)
    assert (found.reason, found.note) == (None, None)


def test_the_interval_is_obuchowskis_on_the_logit_scale():
    """Structural components summed over images (Obuchowski 1997, eq. 3 to 6), loop by loop."""
    rng = np.random.default_rng(12)
    y, s = _gaussian(rng, 240, 1.0)
    image = np.arange(240) // 4
    won = lambda i, j: (s[i] > s[j]) + 0.5 * (s[i] == s[j])  # noqa: E731
    right, wrong = np.flatnonzero(y), np.flatnonzero(~y)
    area = np.mean([won(i, j) for i in right for j in wrong])
    v10 = {i: np.mean([won(i, j) for j in wrong]) for i in right}
    v01 = {j: np.mean([won(i, j) for i in right]) for j in wrong}
    s10 = s01 = s11 = 0.0
    for g in range(60):
        ten = sum(v10[i] - area for i in right if image[i] == g)
        one = sum(v01[j] - area for j in wrong if image[j] == g)
        s10, s01, s11 = s10 + ten**2, s01 + one**2, s11 + ten * one
    i10, i01 = len({image[i] for i in right}), len({image[j] for j in wrong})
    variance = (
        i10 / (i10 - 1) * s10 / right.size**2
        + i01 / (i01 - 1) * s01 / wrong.size**2
        + 2 * 60 / 59 * s11 / (right.size * wrong.size)
    )
    found = auroc_estimate(y, s, groups=image)
    assert found.value == pytest.approx(area)
    assert found.stderr == pytest.approx(variance**0.5, rel=0.01)  # G / (G - 1) is common to all
    half = student.ppf(0.975, 50) * found.stderr / (area * (1 - area))
    assert (found.low, found.high) == pytest.approx(
        expit(logit(area) + np.array([-half, half])), abs=2e-3
    )
    assert found.high - area < area - found.low  # wider away from 1


def test_duplicated_samples_do_not_make_it_more_certain():
    rng = np.random.default_rng(4)
    y, s = _gaussian(rng, 300, 0.8)
    once = auroc_estimate(y, s, groups=range(300))
    fourfold = auroc_estimate(np.repeat(y, 4), np.repeat(s, 4), groups=np.repeat(np.arange(300), 4))
    for name in ("value", "low", "high", "stderr"):
        assert getattr(fourfold, name) == pytest.approx(getattr(once, name))


def test_coverage_of_the_truth():
    # AUROC of two unit normals one apart: Phi(1 / sqrt 2) = 0.7602; 400 intervals of 95 %
    truth, inside = 0.7602499, 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        y, s = _gaussian(rng, 150, 1.0)
        found = auroc_estimate(y, s, groups=range(150))
        inside += found.low <= truth <= found.high
    assert inside >= 369  # P(fewer) < 0.01 at 95 %


def test_few_errors_at_a_high_auroc_are_covered():
    # 30 images x 8 answers, about 32 errors, true AUROC 0.993: a percentile interval has 0.83
    truth, inside = 0.993, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        image = np.arange(240) // 8
        own = rng.normal(size=(2, 30))[:, image]
        y = 0.5**0.5 * own[0] + 0.5**0.5 * rng.normal(size=240) > norm.ppf(32 / 240)
        s = 2**0.5 * norm.ppf(truth) * y + 0.3**0.5 * own[1] + 0.7**0.5 * rng.normal(size=240)
        found = auroc_estimate(y, s, groups=image)
        inside += found.low <= truth <= found.high
    assert inside >= 274  # P(fewer) < 0.01 at 95 %


def test_images_that_hold_the_few_errors_limit_what_is_known():
    rng = np.random.default_rng(2)
    s = rng.normal(size=400)
    spread, packed = np.ones(400, bool), np.ones(400, bool)
    spread[::40], packed[:10] = False, False
    image = np.arange(400) // 5
    wide, narrow = (auroc_estimate(y, s, groups=image) for y in (packed, spread))
    assert wide.low < 0.02  # two images hold all errors: one degree of freedom
    assert wide.high > 0.98
    assert narrow.high - narrow.low < 0.6


def test_mean_has_the_standard_error_of_a_mean():
    values = np.random.default_rng(5).exponential(size=500)
    found = mean_estimate(values, groups=range(500))
    stderr = values.std(ddof=1) / 500**0.5
    assert found.value == values.mean()
    assert found.stderr == pytest.approx(stderr)
    assert found.high - found.value == pytest.approx(student.ppf(0.975, 499) * stderr, rel=0.01)


def test_the_mean_of_clustered_samples_is_that_of_ordinary_least_squares():
    rng = np.random.default_rng(15)
    image = rng.integers(0, 12, 90)
    values = rng.normal(size=90) + rng.normal(size=12)[image]
    fit = sm.OLS(values, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": image, "use_correction": True}, use_t=True
    )
    found = mean_estimate(values, groups=image)
    assert found.stderr == pytest.approx(fit.bse[0])
    low, high = fit.conf_int()[0]  # with 11 degrees of freedom: fewer where few images carry it
    assert found.low <= low + 1e-12
    assert found.high - found.low == pytest.approx(high - low, rel=0.1)
    assert found.note == "12 images only: below 20 an interval may be too short"


def test_within_one_kind_it_is_the_plain_one():
    rng = np.random.default_rng(8)
    y, s = _gaussian(rng, 400, 1.0)
    one_kind = auroc_estimate(y, s, groups=range(400), kinds=["a"] * 400)
    assert one_kind == auroc_estimate(y, s, groups=range(400))
    ap = error_average_precision_estimate(y, s, groups=range(400))
    assert ap.low < ap.value < ap.high
    assert 1 - y.mean() < ap.value


def test_undefined_carries_its_reason_and_no_number():
    for found in (
        auroc_estimate([1, 1, 1, 1], [1, 2, 3, 4], groups=range(4)),
        error_average_precision_estimate([1, 1, 1, 1], [1, 2, 3, 4], groups=range(4)),
    ):
        assert found == Estimate.undefined("one class only: all 4 answers are correct")
        assert (found.value, found.low, found.high, found.stderr) == (None,) * 4
    assert "constant" in auroc_estimate([1, 0, 1, 1], [2] * 4, groups=range(4)).reason
    assert mean_estimate([], groups=[]).reason == "no samples"


def test_one_image_gives_no_interval():
    assert "one group" in auroc_estimate([1, 0, 1, 0], range(4), groups="aaaa").reason
    assert "one group" in mean_estimate([1, 0, 1, 0], groups="aaaa").reason


def test_a_class_of_one_image_has_no_interval():
    found = auroc_estimate([0, 0] + [1] * 18, range(20), groups=np.arange(20) // 2)
    assert found == Estimate.undefined("all wrong answers are of one image: no interval")
    # kind b has right answers only, so its images tell nothing
    kinds = ["a"] * 4 + ["b"] * 4
    found = auroc_estimate([0, 1, 0, 1, 1, 1, 1, 1], range(8), groups="aaaabbcc", kinds=kinds)
    assert found.reason == "one group only: no interval"


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="`n_resamples` must be >= 1, got 0"):
        cluster_weights("ab", n_resamples=0, rng=rng)
    with pytest.raises(UndefinedMetricError, match="no samples"):
        cluster_weights("", n_resamples=5, rng=rng)
    with pytest.raises(ValueError, match="`groups` must be of length 2"):
        auroc_estimate([0, 1], [1, 2], groups="abc")
    for level in (0, 1, 2, float("nan")):
        with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\)"):
            mean_estimate([1, 2, 3], groups="abc", level=level)
        with pytest.raises(ValueError, match=r"`level` must be in \(0, 1\)"):
            auroc_estimate([1, 0, 1], [1, 2, 3], groups="abc", level=level)


def test_perfect_separation_has_the_width_of_the_rule_of_three():
    # 40 images, right and wrong answers in 20 each: 20 disjoint pairs
    y = np.arange(40) < 20
    found = auroc_estimate(y, y + 0.0, groups=range(40))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.05 ** (1 / 20))
    assert found.low == pytest.approx(1 - 3 / 20, abs=0.02)
    assert found.stderr > 0
    assert "rule of three" in found.note
    inverted = auroc_estimate(y, 1.0 - y, groups=range(40))
    assert (inverted.low, inverted.value) == (0, 0)
    assert inverted.high == pytest.approx(1 - 0.05 ** (1 / 20))
    # two questions per image, one right and one wrong: a pair takes two of the 20 images
    y = np.arange(40) % 2 == 0
    found = auroc_estimate(y, y + 0.0, groups=np.arange(40) // 2)
    assert found.low == pytest.approx(0.05 ** (1 / 10))


def test_perfect_separation_within_kinds_weighs_the_kinds_by_pairs():
    kinds = ["a"] * 20 + ["b"] * 8
    y = np.r_[np.arange(20) < 10, np.arange(8) < 4]
    found = auroc_estimate(y, y + 0.0, groups=range(28), kinds=kinds)
    # 100 pairs with 10 disjoint ones, 16 pairs with 4
    assert found.low == pytest.approx((100 * 0.05 ** (1 / 10) + 16 * 0.05 ** (1 / 4)) / 116)


def test_a_truth_at_the_bound_is_rarely_perfect():
    # 3 right and 3 wrong answers: an AUROC as low as the bound gives a perfect sample in at most
    # 5 % of draws
    y = np.arange(6) < 3
    bound = auroc_estimate(y, y + 0.0, groups=range(6)).low
    assert bound == pytest.approx(0.05 ** (1 / 3))
    shift = 2**0.5 * norm.ppf(bound)
    s = np.random.default_rng(11).normal(size=(20_000, 6)) + shift * y
    perfect = (s[:, :3].min(axis=1) > s[:, 3:].max(axis=1)).mean()
    assert 0 < perfect < 0.05


def test_a_constant_says_that_its_width_is_no_certainty():
    assert "no sign of certainty" in mean_estimate([1.0] * 9, groups=range(9)).note
    # every image is a copy of the first
    copies = auroc_estimate([1, 0, 1] * 30, [3, 2, 1] * 30, groups=np.arange(90) // 3)
    assert (copies.low, copies.high) == (0.5, 0.5)
    assert "no sign of certainty" in copies.note


def test_few_errors_and_an_auroc_near_1_say_what_the_interval_covers():
    rng = np.random.default_rng(0)
    y = np.arange(1000) % 33 > 0
    s = rng.normal(size=1000) + 4 * y
    found = auroc_estimate(y, s, groups=np.arange(1000) // 8)
    assert 0.98 < found.value < 1
    assert "covers about 0.91" in found.note
    assert "covers about 0.91" in error_average_precision_estimate(
        y, s, groups=np.arange(1000) // 8
    ).note  # fmt: skip
    usual = auroc_estimate(y, rng.normal(size=1000) + y, groups=np.arange(1000) // 8)
    assert usual.note is None


def test_images_of_very_unequal_size_carry_the_variance():
    # one image holds half of the answers: as uncertain as that image
    sizes = np.r_[100, np.ones(99, int)]
    image = np.repeat(np.arange(100), sizes)
    v = np.random.default_rng(3).normal(size=199) + 2 * (image == 0)
    found = mean_estimate(v, groups=image)
    assert (found.high - found.low) / found.stderr > 2 * student.ppf(0.975, 5)
