"""Small perceptrons, many at once: one matrix product a step for all folds and repeats.

Every network sees all rows, and learns from those of its training part only; so the scores of the
rows it has not seen come with its last step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Rows = NDArray[np.float32]
HIDDEN, STEPS, RATE, DECAY = 16, 40, 0.03, 1e-2


@dataclass
class Perceptrons:
    r"""M networks :math:`g_m(x) = b_m + w_m^\top \frac1P \sum_p \mathrm{ReLU}(W_m x_p + c_m)`.

    With P = 1 window a two-layer perceptron; with windows over layers a convolution with mean
    pooling. ``first`` (k, M · h), ``bias`` (M · h,), ``second`` (M, h), ``offset`` (M,).
    """

    first: Rows
    bias: Rows
    second: Rows
    offset: Rows

    @classmethod
    def drawn(
        cls, n_inputs: int, n_networks: int, rng: np.random.Generator, *, hidden: int = HIDDEN
    ) -> Perceptrons:
        """Weights as He et al. (2015) draw them, the last layer small."""
        scale = np.sqrt(2 / n_inputs)
        first = scale * rng.standard_normal((n_inputs, n_networks * hidden), np.float32)
        second = 0.1 * rng.standard_normal((n_networks, hidden), np.float32)
        bias, offset = (np.zeros(size, np.float32) for size in (n_networks * hidden, n_networks))
        return cls(first.astype(np.float32), bias, second.astype(np.float32), offset)

    def forward(self, x: Rows) -> tuple[Rows, Rows]:
        """Hidden units (n, P, M, h) and log-odds (n, M) of inputs (n, P, k)."""
        n, windows, k = x.shape
        units = x.reshape(n * windows, k) @ self.first
        units += self.bias
        np.maximum(units, 0, out=units)
        hidden: Rows = units.reshape(n, windows, *self.second.shape)
        logits: Rows = np.einsum("nmh,mh->nm", _pooled(hidden), self.second) + self.offset
        return hidden, logits

    def gradients(self, x: Rows, hidden: Rows, slope: Rows) -> list[Rows]:
        """Of the loss by the four parameters, from its slope by the log-odds, (n, M)."""
        n, windows, k = x.shape
        of_unit = slope[:, :, None] * (self.second / np.float32(windows))
        back = np.multiply(hidden > 0, of_unit[:, None]).reshape(n * windows, -1)
        second = np.einsum("nm,nmh->mh", slope, _pooled(hidden))
        bias = np.ones(n * windows, np.float32) @ back
        return [x.reshape(n * windows, k).T @ back, bias, second, slope.sum(axis=0)]


def _pooled(hidden: Rows) -> Rows:
    """Mean over windows, (n, M, h)."""
    mean: Rows = hidden[:, 0] if hidden.shape[1] == 1 else hidden.mean(axis=1)
    return mean


# log-odds' slopes (n, M) of a loss -> to be added up; takes the networks
Slopes = Callable[[Perceptrons], list[Rows]]


def trained(networks: Perceptrons, slopes: Slopes, *, steps: int = STEPS) -> Perceptrons:
    """Adam (rate 0.03) on all training rows at once, with weight decay; changed in place."""
    parameters = [networks.first, networks.bias, networks.second, networks.offset]
    mean = [np.zeros_like(own) for own in parameters]
    square = [np.zeros_like(own) for own in parameters]
    for step in range(1, steps + 1):
        for place, (own, gradient) in enumerate(zip(parameters, slopes(networks), strict=True)):
            mean[place] += np.float32(0.1) * (gradient - mean[place])
            square[place] += np.float32(0.001) * (gradient**2 - square[place])
            rate = np.float32(RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step))
            own -= rate * mean[place] / (np.sqrt(square[place]) + np.float32(1e-8))
            if own.ndim == 2:
                own *= np.float32(1 - RATE * DECAY)
    return networks


def cross_entropy_slope(logits: Rows, label: NDArray[np.bool_], weight: Rows) -> Rows:
    """Slope of the weighted mean cross-entropy, (n, M); ``weight`` (n, M) sums to 1 a network."""
    found: Rows = ((expit(logits) - label.astype(np.float32)[:, None]) * weight).astype(np.float32)
    return found


def classifier(
    x: Rows,
    label: NDArray[np.bool_],
    weight: Rows,
    rng: np.random.Generator,
    *,
    hidden: int = HIDDEN,
) -> Perceptrons:
    """Networks fitted by cross-entropy alone, on inputs (n, P, k) and weights (n, M)."""

    def slopes(networks: Perceptrons) -> list[Rows]:
        units, logits = networks.forward(x)
        return networks.gradients(x, units, cross_entropy_slope(logits, label, weight))

    return trained(Perceptrons.drawn(x.shape[2], weight.shape[1], rng, hidden=hidden), slopes)
