"""What fewer samples of one question would have shown, over all subsets of those drawn."""

from __future__ import annotations

from functools import lru_cache
from math import comb

import numpy as np

from metrics.core.checks import FloatArray


@lru_cache(maxsize=1024)
def majority_distribution(counts: tuple[int, ...]) -> FloatArray:
    r"""Return how often the commonest answer occurs m times in a subset of k samples.

    ``counts`` are those of the distinct answers among all K samples. Row k - 1 is for subsets of
    k = 1 … K samples, column m - 1 for m = 1 … K; rows sum to 1. Answers are split off one after
    another: that j of T samples give the next answer has a hypergeometric chance, exact as
    a quotient of whole numbers however large K is.
    """
    n = sum(counts)
    most = np.arange(1, n + 1)
    at_most = np.zeros(
        (n + 1, n)
    )  # [T drawn of the answers left, m]: none occurs more than m times
    at_most[0] = 1
    left = 0
    for count in counts:
        table = _hypergeometric(count, left)
        grown = np.zeros_like(at_most)
        for j in range(count + 1):
            fits = most >= j
            grown[j : j + left + 1, fits] += (
                table[j : j + left + 1, j, None] * at_most[: left + 1, fits]
            )
        at_most, left = grown, left + count
    found: FloatArray = np.diff(at_most[1:], axis=1, prepend=0.0)
    found.setflags(write=False)  # shared by the cache
    return found


def _hypergeometric(count: int, others: int) -> FloatArray:
    """Return P(j of T samples are among the ``count``, T - j among the ``others``), [T, j]."""
    ways, rest = _binomials(count), _binomials(others)
    table = np.zeros((count + others + 1, count + 1))
    for total, subsets in enumerate(_binomials(count + others)):
        for j in range(max(0, total - others), min(count, total) + 1):
            table[total, j] = ways[j] * rest[total - j] / subsets
    return table


def _binomials(n: int) -> list[int]:
    return [comb(n, j) for j in range(n + 1)]
