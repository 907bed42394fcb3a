"""How far a state lies from the states of right answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.out_of_fold import Samples, fitted_scores, parts

MAX_COMPONENTS = 64
NEIGHBOURS = 10
# training states, their labels, held-out states -> scores of the latter
Distance = Callable[[FloatArray, BoolArray, FloatArray], FloatArray]


def distance_scores(
    states: NDArray[np.floating],
    samples: Samples,
    *,
    rng: np.random.Generator,
) -> dict[str, FittedScores]:
    r"""Out-of-fold distances from right answers of other images, as scores.

    .. math:: M_+(h) = (h - \mu_+)^\top \Sigma_+^{-1} (h - \mu_+), \qquad
        s = -M_+, \quad s_{rel} = M(h) - M_+(h), \quad s_{kNN} = -\|\tilde h - \tilde h_{(k)}\|

    with :math:`\mu_+, \Sigma_+` of the right answers of the training folds, :math:`\mu, \Sigma`
    of all their answers, and :math:`\tilde h_{(k)}` the k-th nearest right answer among states of
    length 1. Ours, as far as the paper is silent: at most 64 leading principal axes of all states,
    covariances shrunk after Ledoit and Wolf, k = 10 (or half of the right answers, if that is
    less). Higher means more likely correct. Range: ``mahalanobis_distance`` and ``knn_distance``
    at most 0, ``relative_mahalanobis_distance`` unbounded.

    Parameters
    ----------
    states : float array, shape (n_samples, d_model)
        The paper's: mean over the answer's tokens, after the last layer.
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of the splits, the same for all three.

    Returns
    -------
    dict of str to FittedScores
        By signal.

    Raises
    ------
    UndefinedMetricError
        If the states do not vary.

    References
    ----------
    Ren et al. (2023), arXiv 2209.15558; Sun et al. (2022), arXiv 2204.06507 for neighbours.
    """
    z = principal_coordinates(states.astype(np.float32), MAX_COMPONENTS)
    if z is None:
        raise UndefinedMetricError("the hidden states do not vary")
    wide = z.astype(np.float64) / np.sqrt(np.square(z).mean())
    seed = int(rng.integers(2**63))
    return {
        name: fitted_scores(samples, _cross_fit(wide, distance), np.random.default_rng(seed))
        for name, distance in DISTANCES.items()
    }


def _cross_fit(
    z: FloatArray, distance: Distance
) -> Callable[[IntArray, BoolArray], NDArray[np.floating]]:
    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        scores = np.empty(fold.shape)
        for split, train, test in parts(fold, label):
            scores[split, test] = distance(z[train], label[train], z[test])
        return scores

    return fit


def mahalanobis(train: FloatArray, label: BoolArray, test: FloatArray) -> FloatArray:
    """−squared Mahalanobis distance from the right answers."""
    return -_squared(train[label], test)


def relative_mahalanobis(train: FloatArray, label: BoolArray, test: FloatArray) -> FloatArray:
    """That from all answers less that from the right ones."""
    return _squared(train, test) - _squared(train[label], test)


def nearest(train: FloatArray, label: BoolArray, test: FloatArray) -> FloatArray:
    """−distance to the k-th nearest right answer, of states of length 1."""
    right = _unit(train[label])
    k = min(NEIGHBOURS, max(1, len(right) // 2))
    scores: FloatArray = -np.partition(cdist(_unit(test), right), k - 1, axis=1)[:, k - 1]
    return scores


DISTANCES: dict[str, Distance] = {
    "mahalanobis_distance": mahalanobis,
    "relative_mahalanobis_distance": relative_mahalanobis,
    "knn_distance": nearest,
}


def _squared(known: FloatArray, test: FloatArray) -> FloatArray:
    covariance, _ = ledoit_wolf(known)
    apart = test - known.mean(axis=0)
    found: FloatArray = np.einsum("nd,nd->n", apart, np.linalg.solve(covariance, apart.T).T)
    return np.maximum(found, 0.0)


def _unit(x: FloatArray) -> FloatArray:
    found: FloatArray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return found
