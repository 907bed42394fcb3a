"""How far a state lies from the states of right answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.covariance import ledoit_wolf

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.out_of_fold import Samples, fitted_scores, parts

MAX_COMPONENTS = 64
NEIGHBOURS = 10
DISTANCES = ("mahalanobis_distance", "relative_mahalanobis_distance", "knn_distance")
# training rows, labels of all rows, held-out rows -> scores of the latter
Distance = Callable[[IntArray, BoolArray, IntArray], FloatArray]


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
    seed, space = int(rng.integers(2**63)), Space(wide)
    distances = zip(DISTANCES, (space.right, space.relative, space.nearest), strict=True)
    return {
        name: fitted_scores(samples, _cross_fit(distance), np.random.default_rng(seed))
        for name, distance in distances
    }


def _cross_fit(distance: Distance) -> Callable[[IntArray, BoolArray], NDArray[np.floating]]:
    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        scores = np.empty(fold.shape)
        for split, train, test in parts(fold, label):
            scores[split, test] = distance(train, label, test)
        return scores

    return fit


class Space:
    """States of all samples; what several fits need of them is computed once."""

    def __init__(self, z: FloatArray) -> None:
        self._z = z
        self._squared: dict[tuple[bytes, bytes], FloatArray] = {}
        self._apart: NDArray[np.float32] | None = None

    def right(self, train: IntArray, label: BoolArray, test: IntArray) -> FloatArray:
        """−squared Mahalanobis distance from the right answers."""
        return -self._from(train[label[train]], test)

    def relative(self, train: IntArray, label: BoolArray, test: IntArray) -> FloatArray:
        """That from all answers less that from the right ones."""
        return self._from(train, test) - self._from(train[label[train]], test)

    def nearest(self, train: IntArray, label: BoolArray, test: IntArray) -> FloatArray:
        """−distance to the k-th nearest right answer, of states of length 1."""
        if self._apart is None:
            unit = _unit(self._z)
            self._apart = cdist(unit, unit).astype(np.float32)
        right = train[label[train]]
        k = min(NEIGHBOURS, max(1, len(right) // 2))
        apart = self._apart[np.ix_(test, right)]
        apart.partition(k - 1, axis=1)
        scores: FloatArray = -apart[:, k - 1].astype(np.float64)
        return scores

    def _from(self, known: IntArray, test: IntArray) -> FloatArray:
        key = known.tobytes(), test.tobytes()  # both distances have the same splits
        if key not in self._squared:
            self._squared[key] = _squared(self._z[known], self._z[test])
        return self._squared[key]


def _squared(known: FloatArray, test: FloatArray) -> FloatArray:
    with config_context(assume_finite=True, skip_parameter_validation=True):
        covariance, _ = ledoit_wolf(known)
    apart = test - known.mean(axis=0)
    found: FloatArray = np.einsum("nd,nd->n", apart, np.linalg.solve(covariance, apart.T).T)
    return np.maximum(found, 0.0)


def _unit(x: FloatArray) -> FloatArray:
    found: FloatArray = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return found
