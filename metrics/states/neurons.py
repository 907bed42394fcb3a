"""Which neurons of the feed-forward layers tell right answers from wrong ones."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, IntArray, refuse
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import Basis, sparse_path
from metrics.fitting.out_of_fold import FEW_SHUFFLES, Samples, fitted_scores, parts

MOST = 2048  # neurons that a regression is fitted on
_TOLERANCE = 1e-3
_AT_ONCE = 65536  # neurons whose spread is taken together


def neuron_scores(
    contributions: NDArray[np.floating], samples: Samples, *, rng: np.random.Generator
) -> FittedScores:
    r"""H-neurons: out-of-fold log-odds of an L1 regression on what each neuron contributes.

    .. math:: c_{tj} = \frac{\|a_{tj} w_j\|}{\|\sum_k a_{tk} w_k\|}, \qquad
        s_i = \sum_j \beta_{f(i)j} z_{ij}

    with :math:`a` a neuron's activation at answer token t, :math:`w` what it writes, and z the mean
    of c over the answer, standardised. Of the two ways of the published code this is the one that
    tells answers apart (right against wrong answers, not against other tokens too). Ours: the 2048
    neurons whose contributions vary most over all answers, chosen without a label; and the
    strength, since nothing may be chosen on what is scored:
    :math:`C^{-1} = \tfrac12 \sqrt{2 n p (1 - p) \ln d}`, half of what keeps out all of d neurons
    that know nothing, with n answers in training, a share p of them right. Without the intercept,
    which differs between folds and ranks nothing within one. Higher means more likely correct.
    Range: unbounded.

    Parameters
    ----------
    contributions : float array, shape (n_samples, n_layers · n_neurons)
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of the splits.

    Raises
    ------
    UndefinedMetricError
        If no neuron varies, or none is kept in any fold.
    ValueError
        If the shape does not fit.

    References
    ----------
    Gao et al. (2025), arXiv 2512.01797; cross-fitting by image is ours.
    """
    if contributions.ndim != 2 or len(contributions) != samples.label.size:
        got = f"shape {contributions.shape}"
        raise refuse("neuron_scores", "contributions", "(n_samples, n)", got)
    x = contributions[:, most_varying(contributions, MOST)].astype(np.float32)
    basis = Basis.standardising(x)
    if basis is None:
        raise UndefinedMetricError("no neuron's contribution varies")
    z = basis.transform(x)

    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        scores = np.zeros(fold.shape)
        for split, train, test in parts(fold, label):
            strength = strength_of(label[train], z.shape[1])
            ((weight, _),) = sparse_path(z[train], label[train], (strength,), tolerance=_TOLERANCE)
            scores[split, test] = z[test] @ weight
        return scores

    found = fitted_scores(samples, fit, rng, n_shuffles=FEW_SHUFFLES)
    if not found.scores.any():
        raise UndefinedMetricError("the regression keeps no neuron in any fold")
    return found


def strength_of(label: BoolArray, n_neurons: int) -> float:
    """Inverse strength C of the penalty on standardised neurons, for labels (n,)."""
    p = float(label.mean())
    return 2 / math.sqrt(2 * label.size * p * (1 - p) * math.log(max(n_neurons, 2)))


def most_varying(contributions: NDArray[np.floating], most: int) -> IntArray:
    """Which columns vary most, in rising order; a few at a time, since a model has 350,000."""
    n = contributions.shape[1]
    spread = np.concatenate([
        contributions[:, at : at + _AT_ONCE].std(axis=0, dtype=np.float64)
        for at in range(0, n, _AT_ONCE)
    ])  # fmt: skip
    chosen: IntArray = np.sort(np.argsort(-spread, kind="stable")[:most])
    return chosen
