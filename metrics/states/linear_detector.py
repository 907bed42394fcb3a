"""A logistic regression with one fixed strength, for features that need no search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, IntArray, refuse
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.logistic_columns import logistic_columns
from metrics.fitting.out_of_fold import Samples, fitted_scores, held_out, training_weights

STRENGTH = 1e-2  # inverse strength of the L2 penalty, on standardised features
MAX_COMPONENTS = 128


def linear_scores(
    features: NDArray[np.floating], samples: Samples, *, rng: np.random.Generator
) -> FittedScores:
    r"""Out-of-fold log-odds of an L2 logistic regression on standardised features.

    .. math:: s_i = b_{f(i)} + w_{f(i)}^\top z_i

    with C = 0.01 throughout, so that nothing is chosen on labels; of more than 128 features the
    leading principal axes. Scale and axes are those of all samples, without a label. Higher means
    more likely correct. Range: unbounded.

    Parameters
    ----------
    features : float array, shape (n_samples, n_features)
        The *lookback ratio* (arXiv 2407.07071) takes each head's share of attention on the image
        and on the rest of the prompt; what is left of 1 is that on the answer. *HALP*
        (arXiv 2603.05465) takes the mean vision feature, or the last image token's state after the
        middle layer; the paper's probe is a perceptron.
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of the splits.

    Raises
    ------
    UndefinedMetricError
        If no feature varies.
    ValueError
        If the shape does not fit.
    """
    if features.ndim != 2 or len(features) != samples.label.size:
        raise refuse("linear_scores", "features", "(n_samples, n)", f"shape {features.shape}")
    z = principal_coordinates(features.astype(np.float32), MAX_COMPONENTS)
    if z is None:
        raise UndefinedMetricError("what it is fitted on does not vary")

    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        used = training_weights(fold, label) > 0
        labels = np.broadcast_to(label[:, None], used.shape)
        w, b = logistic_columns(z, labels, used, np.full(used.shape[1], STRENGTH))
        return held_out(fold, z @ w + b)

    return fitted_scores(samples, fit, rng)
