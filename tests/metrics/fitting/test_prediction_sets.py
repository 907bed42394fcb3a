"""Sizes of sets as scores: against loops on the same folds, and blind to the image's own truth."""

import math

import numpy as np
import pytest

from metrics import UndefinedMetricError, auroc
from metrics.answers.prediction_sets import conformal_threshold
from metrics.fitting.out_of_fold import N_REPEATS, Samples
from metrics.fitting.prediction_sets import (
    NO_TRUTH,
    RULES,
    candidate_named,
    prediction_set_scores,
)
from metrics.record.channels import CANDIDATES

N = 240


def questions(seed=0, n=N):
    """Half yes or no, half of four options; the surer the model is, the more often it is right."""
    rng = np.random.default_rng(seed)
    masses = np.zeros((n, 12), np.float32)
    given, truth = np.zeros(n), np.zeros(n, int)
    for i in range(n):
        options = [0, 1] if i % 2 else [2, 3, 4, 5]
        p = rng.dirichlet(np.full(len(options), 0.6))
        masses[i, options] = 0.9 * p
        given[i] = options[int(p.argmax())]
        truth[i] = options[rng.choice(len(options), p=p)]
    targets = [f"{CANDIDATES[t]}." for t in truth]
    group = [f"image-{i // 3}" for i in range(n)]
    samples = Samples.of((given == truth).astype(int), group, targets=targets)
    return masses, given, truth, samples


def own_share(masses, given, c):
    kind = range(2) if given < 2 else range(2, 12)
    return masses[c] / math.fsum(masses[other] for other in kind) if c in kind else None


def aps(masses, given, c):
    kind = range(2) if given < 2 else range(2, 12)
    shares = {other: own_share(masses, given, other) for other in kind}
    return math.fsum(p for p in shares.values() if p > shares[c])


PLAIN = {"lac_set_size": lambda *told: 1 - own_share(*told), "aps_set_size": aps}


def sizes_by_loops(name, masses, given, truth, samples, fold):
    kinds = [range(2) if own < 2 else range(2, 12) for own in given]
    e = [
        {c: PLAIN[name](m, own, c) for c in kind}
        for m, own, kind in zip(masses, given, kinds, strict=True)
    ]
    sizes = []
    for i in range(len(given)):
        train = [j for j in range(len(given)) if fold[j] != fold[i]]
        threshold = conformal_threshold(
            [e[j].get(truth[j], np.inf) for j in train], [int(samples.group[j]) for j in train]
        )
        sizes.append(max(1, sum(own <= threshold for own in e[i].values())))
    return -np.array(sizes)


def test_scores_are_those_of_loops_on_one_of_the_splits():
    masses, given, truth, samples = questions(n=150)
    wide = masses.astype(float)
    found = prediction_set_scores(masses, given, samples, rng=np.random.default_rng(5))
    seed = int(np.random.default_rng(5).integers(2**63))
    splits = samples.splits(N_REPEATS, np.random.default_rng(seed))
    for name in RULES:
        each = [sizes_by_loops(name, wide, given, truth, samples, fold) for fold in splits]
        assert any((own == found[name].scores).all() for own in each)


def test_it_tells_right_from_wrong_and_reaches_its_coverage():
    masses, given, truth, samples = questions()
    reached = []
    for name, own in prediction_set_scores(
        masses, given, samples, rng=np.random.default_rng(0)
    ).items():
        assert auroc(samples.label, own.scores) > 0.65, name
        assert own.scores.max() == -1
        assert own.fit.p == 0.05
        assert own.figures["mean_size"] > 1
        assert (own.figures["goal"], own.figures["n"]) == (0.9, len(truth))
        reached.append(own.figures["coverage"])
    assert min(reached) > 0.87


def test_an_image_s_own_truth_does_not_move_its_sets():
    masses, given, _, samples = questions()
    targets = list(samples.targets)
    targets[0:3] = ["A" if t != "A." else "B" for t in targets[0:3]]  # the first image's
    other = Samples(samples.label, samples.group, targets=targets)
    both = [
        prediction_set_scores(masses, given, own, rng=np.random.default_rng(1))
        for own in (samples, other)
    ]
    for name in RULES:
        assert (both[0][name].scores[:3] == both[1][name].scores[:3]).all()


def test_references_that_name_no_candidate_are_not_calibrated_on():
    masses, given, _, samples = questions()
    mixed = [t if i < N // 2 else "a red bus" for i, t in enumerate(samples.targets)]
    own = Samples(samples.label, samples.group, targets=mixed)
    found = prediction_set_scores(masses, given, own, rng=np.random.default_rng(1))
    assert found["lac_set_size"].figures["n"] == N // 2
    for nothing in (["a bus"] * N, None):
        bare = Samples(samples.label, samples.group, targets=nothing)
        with pytest.raises(UndefinedMetricError, match=NO_TRUTH):
            prediction_set_scores(masses, given, bare, rng=np.random.default_rng(1))
    with pytest.raises(UndefinedMetricError, match="no probability"):
        prediction_set_scores(0 * masses, given, samples, rng=np.random.default_rng(1))


def test_only_a_whole_reference_names_a_candidate():
    assert candidate_named(" YES. ") == 0
    assert candidate_named("J") == 11
    assert {candidate_named(text) for text in ("yes it is", "K", "AB", "b", "", None)} == {-1}
