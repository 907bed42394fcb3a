"""Synthetic runs whose truth is known: AUROC per signal, informative layer, dimension, leakage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tests.signal_values import in_range


@dataclass(frozen=True)
class Planted:
    """A run: ``auroc`` holds the true AUROC of each signal."""

    correct: np.ndarray
    groups: list[str]
    kinds: list[str]
    signals: dict[str, np.ndarray]
    auroc: dict[str, float]


def planted_run(rng, *, n_images=300, per_image=4, accuracy=0.7, auroc=None, image_share=0.5):
    """Gaussian signals with the AUROC asked for; answers of one image are correlated.

    A signal is shift * correct + noise of unit variance, so its AUROC is Phi(shift / sqrt 2); the
    map into its range keeps that.
    ``image_share`` of the variance that decides correctness, and of the signals' noise, belongs
    to the image.
    """
    auroc = auroc or {"token_confidence": 0.6, "self_consistency": 0.8, "probe": 0.9}
    n = n_images * per_image
    image = np.repeat(np.arange(n_images), per_image)

    def noise():
        shared, own = rng.normal(size=n_images)[image], rng.normal(size=n)
        return np.sqrt(image_share) * shared + np.sqrt(1 - image_share) * own

    correct = noise() < norm.ppf(accuracy)
    shifts = {name: np.sqrt(2) * norm.ppf(a) for name, a in auroc.items()}
    return Planted(
        correct=correct.astype(float),
        groups=[f"image-{i}" for i in image],
        kinds=[("count", "colour")[i % 2] for i in range(n)],
        signals={name: in_range(name, noise() + s * correct) for name, s in shifts.items()},
        auroc=auroc,
    )


def planted_states(rng, correct, *, n_layers=5, d=16, layer=3, dimension=2, auroc=0.85):
    """Noise states with one informative dimension at one layer."""
    hidden = rng.normal(size=(len(correct), n_layers, d))
    shift = np.sqrt(2) * norm.ppf(auroc)
    hidden[:, layer, dimension] += shift * np.asarray(correct)
    return hidden


def leaking_items(rng, *, n_items=150, repeats=6, d=256):
    """Pure noise fixed per item, and a label fixed per item: nothing to learn but the items."""
    item = np.repeat(np.arange(n_items), repeats)
    states = rng.normal(size=(n_items, 1, d))[item]
    return states, (rng.random(n_items) < 0.5)[item].astype(int), item.tolist()


def map_with_spots(rng, n_spots, *, size=24):
    """Attention with ``n_spots`` separate 3 × 3 spots on a dim, noisy background."""
    attention = 0.01 * rng.random((size, size))
    places = [(i, j) for i in range(1, size - 3, 6) for j in range(1, size - 3, 6)]
    for k in rng.choice(len(places), n_spots, replace=False):
        i, j = places[k]
        attention[i : i + 3, j : j + 3] += 1 + rng.random((3, 3))
    return attention
