"""What the graph Laplacian of a similarity tells of samples, whoever compared them."""

from __future__ import annotations

import math

import numpy as np

from metrics.core.checks import FloatArray

DIGITS = 9  # samples in another order are to tie
KEPT_BELOW = 0.9  # eigenvalues of the directions that the eccentricity is taken in


def eigenvalue_sum_of(similarity: FloatArray) -> float:
    """`laplacian_eigenvalue_sum` of a similarity that somebody else gives, shape (K, K)."""
    values = np.linalg.eigvalsh(_laplacian(similarity))
    return round(float(np.clip(1 - values, 0, None).sum()), DIGITS)


def eccentricity_of(similarity: FloatArray) -> float:
    """`eccentricity` of a similarity that somebody else gives, shape (K, K)."""
    values, vectors = np.linalg.eigh(_laplacian(similarity))
    own = vectors[:, values < KEPT_BELOW]
    squares = float(np.square(own - own.mean(axis=0)).sum())
    return math.sqrt(round(squares, DIGITS))


def _laplacian(s: FloatArray) -> FloatArray:
    root = 1 / np.sqrt(s.sum(axis=1))
    found: FloatArray = np.eye(len(s)) - root[:, None] * s * root
    return found
