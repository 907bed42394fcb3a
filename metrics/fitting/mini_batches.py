"""Perceptrons trained by mini-batches, several at once: scikit-learn's, without its overhead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from metrics.core.checks import BoolArray, FloatArray, IntArray

Rows = NDArray[np.float32]
_KEPT, _KEPT_SQUARE, _TINY = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
# not 1 - 0.999 in float32, which is 0.00100005
_NEW, _NEW_SQUARE = np.float32(0.1), np.float32(0.001)
_SIDE_BY_SIDE = 1 << 17  # weights, beyond which networks are no faster together than in turn


@dataclass(frozen=True)
class Recipe:
    """Hidden layers, Adam's rate, weight decay, rows of a batch and passes over the rows."""

    hidden: tuple[int, ...]
    rate: float
    decay: float
    batch: int
    epochs: int


@dataclass(frozen=True)
class Part:
    """Inputs (n, k) of all samples, and which of them a network is trained on and asked of."""

    x: Rows
    train: IntArray
    test: IntArray


def log_odds(parts: Sequence[Part], label: BoolArray, recipe: Recipe, seed: int) -> FloatArray:
    r"""Out-of-fold log-odds (n,) of ReLU networks, one a part, trained as scikit-learn does.

    They are the same weights, up to rounding, as of ``MLPClassifier(hidden, alpha=decay,
    learning_rate_init=rate, batch_size=batch, max_iter=epochs, n_iter_no_change=epochs,
    random_state=seed)``: the same start, order of rows and Adam steps. Log-odds are clipped where
    their probability is within :math:`10^{-7}` of 0 or 1. Higher means more likely the class True.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, label = rng.normal(size=(200, 3)).astype(np.float32), np.arange(200) % 2 == 1
    >>> x[label] += 3
    >>> halves = [np.arange(100), np.arange(100, 200)]
    >>> parts = [Part(x, *halves), Part(x, *halves[::-1])]
    >>> found = log_odds(parts, label, Recipe((8,), 1e-2, 1e-4, 32, 20), seed=0)
    >>> float(((found > 0) == label).mean()) > 0.95
    True
    """
    scores = np.empty(label.size)
    longest_first = sorted(parts, key=lambda part: (part.x.shape[1], -part.train.size))
    for together in _groups(longest_first, recipe):
        networks = _Networks(len(together), [together[0].x.shape[1], *recipe.hidden, 1], seed)
        for x, y, share in _batches(together, label, recipe, networks.random):
            networks.step(x, y, share, recipe)
        for place, part in enumerate(together):
            z = networks.forward(part.x[part.test][None], slice(place, place + 1))[-1]
            p = np.clip(expit(z[0, :, 0]).astype(np.float64), 1e-7, 1 - 1e-7)
            scores[part.test] = np.log(p / (1 - p))
    return scores


def _groups(parts: Sequence[Part], recipe: Recipe) -> Iterator[list[Part]]:
    """Parts of one width, as many as are faster together."""
    together: list[Part] = []
    for part in parts:
        weights = sum(a * b for a, b in pairwise([part.x.shape[1], *recipe.hidden, 1]))
        full = (len(together) + 1) * weights > _SIDE_BY_SIDE
        if together and (full or part.x.shape[1] != together[0].x.shape[1]):
            yield together
            together = []
        together.append(part)
    yield together


class _Networks:
    """N networks of one shape and one start; of each its weights and biases in one row."""

    def __init__(self, n: int, units: Sequence[int], seed: int) -> None:
        random = np.random.RandomState(seed)
        shapes = list(pairwise(units))
        drawn = []
        for fan_in, fan_out in shapes:
            bound = np.sqrt(6 / (fan_in + fan_out))
            drawn.append([random.uniform(-bound, bound, s) for s in ((fan_in, fan_out), fan_out)])
        first = [own.ravel() for kind in zip(*drawn, strict=True) for own in kind]
        self.random = [_copy_of(random) for _ in range(n)]
        self._all = np.tile(np.concatenate(first).astype(np.float32), (n, 1))
        self._slope, self._mean, self._square, self._room = np.zeros((4, *self._all.shape), "f4")
        self._n_weights = sum(a * b for a, b in shapes)
        self._weights, self._biases = _views(self._all, shapes)
        self._weight_slopes, self._bias_slopes = _views(self._slope, shapes)
        self._steps = np.zeros((n, 1))

    def forward(self, x: Rows, which: slice) -> list[Rows]:
        """Inputs, hidden units and log-odds of some networks, (n_networks, n, units) each."""
        units = [x]
        for weight, bias in zip(self._weights, self._biases, strict=True):
            if len(units) > 1:
                np.maximum(units[-1], 0, out=units[-1])
            own = np.matmul(units[-1], weight[which])
            own += bias[which]
            units.append(own)
        return units

    def step(self, x: Rows, y: Rows, share: Rows, recipe: Recipe) -> None:
        """One batch of the first networks: x (a, b, k), y and each row's share of it (a, b, 1)."""
        active = slice(len(x))
        units = self.forward(x, active)
        slope = (expit(units[-1]) - y) * share
        for layer in reversed(range(len(self._weights))):
            np.matmul(
                units[layer].transpose(0, 2, 1), slope, out=self._weight_slopes[layer][active]
            )
            slope.sum(axis=1, keepdims=True, out=self._bias_slopes[layer][active])
            if layer:
                slope = np.matmul(slope, self._weights[layer][active].transpose(0, 2, 1))
                slope *= units[layer] > 0
        self._decay(active, np.float32(recipe.decay) * share.max(axis=1))
        self._adam(active, recipe.rate)

    def _decay(self, active: slice, factor: Rows) -> None:
        weights = slice(self._n_weights)
        room = self._room[active, weights]
        np.multiply(self._all[active, weights], factor, out=room)
        self._slope[active, weights] += room

    def _adam(self, active: slice, rate: float) -> None:
        self._steps[active] += 1
        steps = self._steps[active]
        own_rate = (rate * np.sqrt(1 - 0.999**steps) / (1 - 0.9**steps)).astype(np.float32)
        slope, mean, square = (a[active] for a in (self._slope, self._mean, self._square))
        room = self._room[active]
        mean *= _KEPT
        mean += np.multiply(slope, _NEW, out=room)
        slope *= slope
        square *= _KEPT_SQUARE
        square += np.multiply(slope, _NEW_SQUARE, out=room)
        np.sqrt(square, out=room)
        room += _TINY
        np.divide(mean, room, out=room)
        room *= own_rate
        self._all[active] -= room


def _copy_of(random: np.random.RandomState) -> np.random.RandomState:
    own = np.random.RandomState()
    own.set_state(random.get_state())
    return own


def _views(flat: Rows, shapes: Sequence[tuple[int, int]]) -> tuple[list[Rows], list[Rows]]:
    """Weights (N, in, out) of each layer and biases (N, 1, out), in one row a network."""
    sizes = [*[a * b for a, b in shapes], *[b for _, b in shapes]]
    pieces = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
    weights = [own.reshape(-1, *s) for own, s in zip(pieces[: len(shapes)], shapes, strict=True)]
    return weights, [own[:, None] for own in pieces[len(shapes) :]]


def _batches(
    parts: Sequence[Part],
    label: BoolArray,
    recipe: Recipe,
    random: Sequence[np.random.RandomState],
) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Inputs, labels and shares of the rows in each batch, of the parts that still have one."""
    y = label.astype(np.float32)[:, None]
    sizes = [min(recipe.batch, part.train.size) for part in parts]
    orders = [part.train for part in parts]
    places = [np.arange(part.train.size) for part in parts]
    for _ in range(recipe.epochs):
        for k, part in enumerate(parts):
            # scikit-learn shuffles what it shuffled the last time
            places[k] = _shuffled(places[k], random[k])
            orders[k] = part.train[places[k]]
        for number in range(max(-(-len(o) // s) for o, s in zip(orders, sizes, strict=True))):
            cut = [o[number * s : (number + 1) * s] for o, s in zip(orders, sizes, strict=True)]
            there = [rows for rows in cut if rows.size]  # the first ones, as the longest are first
            most = max(rows.size for rows in there)
            full = np.stack([np.pad(rows, (0, most - rows.size)) for rows in there])
            n = np.array([rows.size for rows in there])[:, None]
            share = np.where(np.arange(most) < n, 1 / n, 0).astype(np.float32)[..., None]
            x = np.stack([part.x[rows] for part, rows in zip(parts, full, strict=False)])
            yield x, y[full], share


def _shuffled(order: IntArray, random: np.random.RandomState) -> IntArray:
    places = np.arange(order.size)
    random.shuffle(places)
    shuffled: IntArray = order[places]
    return shuffled
