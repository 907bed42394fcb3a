"""Perceptrons on the answer's last state, and over its layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, IntArray, refuse
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import principal_coordinates
from metrics.fitting.out_of_fold import (
    FEW_SHUFFLES,
    Samples,
    fitted_scores,
    held_out,
    training_weights,
)
from metrics.fitting.perceptrons import HIDDEN, Rows, classifier

MOST_LAYERS, WIDTH = 8, 3  # layers looked at, and of a window over them
COMPONENTS, COMPONENTS_A_LAYER, FILTERS = 64, 8, 8


def saplma_scores(
    states: NDArray[np.floating], samples: Samples, *, rng: np.random.Generator
) -> FittedScores:
    r"""SAPLMA: out-of-fold log-odds of a perceptron on the answer's last token, middle layer.

    .. math:: s_i = b + w^\top \mathrm{ReLU}(W z_i + c)

    The paper has hidden layers of 256, 128 and 64 units and no image groups; a thousand answers
    do not fill them, so here are 16 units, on at most 64 leading principal axes of all states.
    Higher means more likely correct. Range: unbounded.

    Parameters
    ----------
    states : float array, shape (n_samples, d_model)
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of splits and weights.

    Raises
    ------
    UndefinedMetricError
        If the states do not vary.

    References
    ----------
    Azaria and Mitchell (2023), arXiv 2304.13734.
    """
    return _scores(_scaled(states, COMPONENTS)[:, None], samples, rng)


def inspector_scores(
    by_layer: NDArray[np.floating], samples: Samples, *, rng: np.random.Generator
) -> FittedScores:
    r"""InternalInspector: out-of-fold log-odds of a convolution over the layers of a state.

    .. math:: s_i = b + w^\top \frac1P \sum_p \mathrm{ReLU}(W [z_i^{(p)}, z_i^{(p+1)}, z_i^{(p+2)}]
        + c)

    The paper trains a residual network with a contrastive loss; this is its smallest form: windows
    of three of at most 8 layers, evenly spaced, 8 filters and mean pooling, on 8 leading
    principal axes a layer. Higher means more likely correct. Range: unbounded.

    Parameters
    ----------
    by_layer : float array, shape (n_samples, n_layers, d_model)
        States of the answer's last token, `spaced` layers of them.
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of splits and weights.

    Raises
    ------
    UndefinedMetricError
        If there are fewer than three layers, or the states of one do not vary.
    ValueError
        If the shape does not fit.

    References
    ----------
    Beigi et al. (2024), arXiv 2406.12053.
    """
    if by_layer.ndim != 3:
        shape = f"shape {by_layer.shape}"
        raise refuse("inspector_scores", "by_layer", "(n, n_layers, d_model)", shape)
    n_layers = by_layer.shape[1]
    if n_layers < WIDTH:
        raise UndefinedMetricError(f"{n_layers} layers only, {WIDTH} are needed")
    layers = [_scaled(by_layer[:, layer], COMPONENTS_A_LAYER) for layer in range(n_layers)]
    least = min(own.shape[1] for own in layers)
    z = np.stack([own[:, :least] for own in layers], axis=1)
    windows = [z[:, at : at + WIDTH].reshape(len(z), -1) for at in range(n_layers - WIDTH + 1)]
    return _scores(np.stack(windows, axis=1), samples, rng, hidden=FILTERS)


def ccps_scores(
    features: NDArray[np.floating], samples: Samples, *, rng: np.random.Generator
) -> FittedScores:
    r"""CCPS: out-of-fold log-odds of a perceptron on how an answer bears its states being pushed.

    .. math:: s_i = b + w^\top \mathrm{ReLU}(W z_i + c)

    with z the features of `perturbed_state_features`, mean over the answer's tokens, standardised.
    The paper first trains an encoder of three layers by contrast, and for open answers a
    convolution over tokens; a thousand answers do not fill them, so here are 16 units, as of
    `saplma_scores`. Higher means more likely correct. Range: unbounded.

    Parameters
    ----------
    features : float array, shape (n_samples, 75)
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of splits and weights.

    Raises
    ------
    UndefinedMetricError
        If no feature varies.

    References
    ----------
    Khanmohammadi et al. (2025), arXiv 2505.21772.
    """
    return _scores(_scaled(features, COMPONENTS)[:, None], samples, rng)


def spaced(by_layer: NDArray[np.floating]) -> NDArray[np.floating]:
    """At most 8 layers of one sample's states (n_layers + 1, d_model), the first and last too."""
    n = len(by_layer)
    kept: NDArray[np.floating] = by_layer[
        np.linspace(0, n - 1, min(n, MOST_LAYERS)).round().astype(int)
    ].astype(np.float32)
    return kept


def _scaled(states: NDArray[np.floating], most: int) -> Rows:
    """Leading principal coordinates at a mean square of 1."""
    z = principal_coordinates(states.astype(np.float32), most)
    if z is None:
        raise UndefinedMetricError("what it is fitted on does not vary")
    scaled: Rows = z / np.sqrt(np.square(z).mean())
    return scaled


def _scores(
    x: Rows, samples: Samples, rng: np.random.Generator, *, hidden: int = HIDDEN
) -> FittedScores:
    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        networks = classifier(x, label, training_weights(fold, label), rng, hidden=hidden)
        return held_out(fold, networks.forward(x)[1])

    return fitted_scores(samples, fit, rng, n_shuffles=FEW_SHUFFLES)
