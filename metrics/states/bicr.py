"""A probe that must be surer of what it sees than of a blank image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from metrics.core.checks import BoolArray, IntArray, refuse
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FittedScores
from metrics.fitting.linear_probe import Basis
from metrics.fitting.out_of_fold import (
    FEW_SHUFFLES,
    Samples,
    fitted_scores,
    held_out,
    training_weights,
)
from metrics.fitting.perceptrons import Perceptrons, Rows, cross_entropy_slope, trained
from metrics.fitting.repeats import reported_repeat

MARGIN, WEIGHT = 0.1, 1.0
MAX_COMPONENTS = 64


def bicr_scores(
    shown: NDArray[np.floating],
    blank: NDArray[np.floating],
    samples: Samples,
    *,
    rng: np.random.Generator,
) -> dict[str, FittedScores]:
    r"""BICR: out-of-fold log-odds of a perceptron trained against the same question unseen.

    .. math:: \min_g \; \frac1n \sum_i \ell(y_i, g(h_i)) + \frac{\lambda}{n_+}
        \sum_{i: y_i = 1} \big[\sigma(g(h_{i,\emptyset})) - \sigma(g(h_i)) + m\big]_+

    with :math:`h` the last prompt token's state after the last layer, :math:`h_\emptyset` that of
    the same prompt with its image blanked, and :math:`\ell` the cross-entropy. Ours, as far as the
    paper is silent: :math:`\lambda = 1`, :math:`m = 0.1`; 16 hidden units; at most 64 leading
    principal axes of all states, shown and blank. Higher means more likely correct. Range:
    unbounded log-odds.

    Parameters
    ----------
    shown, blank : float array, shape (n_samples, d_model)
        States with the image and without.
    samples : Samples
        Labels and images.
    rng : numpy.random.Generator
        Source of splits and weights.

    Returns
    -------
    dict of str to FittedScores
        ``bicr``, and as its control ``bicr_blank``: the same networks, shown the blank states.

    Raises
    ------
    UndefinedMetricError
        If the states do not vary.
    ValueError
        If the two differ in shape.

    References
    ----------
    arXiv 2605.10893; cross-fitting by image is ours.
    """
    if shown.shape != blank.shape or shown.ndim != 2:
        raise refuse("bicr_scores", "shown and blank", "alike", f"{shown.shape}, {blank.shape}")
    both = np.concatenate([shown, blank]).astype(np.float32)
    basis = Basis.fit(both, MAX_COMPONENTS)
    if basis is None:
        raise UndefinedMetricError("the hidden states do not vary")
    z = basis.transform(both)
    z /= np.sqrt(np.square(z).mean()) + np.float32(1e-12)
    on_blank: list[NDArray[np.floating]] = []
    seen, unseen = z[: len(shown), None], z[len(shown) :, None]

    def fit(fold: IntArray, label: BoolArray) -> NDArray[np.floating]:
        weight = training_weights(fold, label)
        right = np.where(label[:, None], weight, 0)
        right = right / right.sum(axis=0)
        start = Perceptrons.drawn(z.shape[1], weight.shape[1], rng)

        def slopes(networks: Perceptrons) -> list[Rows]:
            hidden, logits = networks.forward(seen)
            hidden_blank, logits_blank = networks.forward(unseen)
            p, p_blank = expit(logits), expit(logits_blank)
            violated = WEIGHT * right * (p_blank - p + MARGIN > 0)
            slope = cross_entropy_slope(logits, label, weight) - violated * p * (1 - p)
            slope_blank = violated * p_blank * (1 - p_blank)
            return [
                one + other
                for one, other in zip(
                    networks.gradients(seen, hidden, slope.astype(np.float32)),
                    networks.gradients(unseen, hidden_blank, slope_blank.astype(np.float32)),
                    strict=True,
                )
            ]

        networks = trained(start, slopes)
        on_blank.append(held_out(fold, networks.forward(unseen)[1]))
        return held_out(fold, networks.forward(seen)[1])

    found = fitted_scores(samples, fit, rng, n_shuffles=FEW_SHUFFLES)
    drawn = list(on_blank[0].astype(np.float64))  # of the true labels, whose fit comes first
    chosen, spread = reported_repeat(
        samples.label, drawn, kinds=samples.kinds, answers=samples.answers
    )
    return {"bicr": found, "bicr_blank": FittedScores(drawn[chosen], spread)}
