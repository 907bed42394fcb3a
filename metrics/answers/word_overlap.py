"""The words that two answers share in order, counted fast: samples are compared pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from metrics.answers.counts import answer_counts
from metrics.core.checks import FloatArray
from metrics.errors import UndefinedMetricError


def overlap(first: str, second: str) -> float:
    """ROUGE-L, see `lexical_overlap`."""
    return _overlap(*sorted((first, second)))


@lru_cache(maxsize=1 << 14)  # samples of one question repeat each other
def _overlap(first: str, second: str) -> float:
    a, b = first.split(), second.split()
    return 2 * _common(a, b) / (len(a) + len(b)) if a and b else 0.0


def _common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence; a bit of ``state`` for each word of ``a``."""
    at: dict[str, int] = {}
    for place, word in enumerate(a):
        at[word] = at.get(word, 0) | 1 << place
    whole = (1 << len(a)) - 1
    state = whole
    for word in b:
        matched = state & at.get(word, 0)
        state = (state + matched | state - matched) & whole
    return len(a) - state.bit_count()


def similarity_matrix(function: str, samples: Sequence[str]) -> FloatArray:
    """ROUGE-L of every pair, shape (K, K), each like itself; checked in the name of a function."""
    answer_counts(function, samples)
    if len(samples) < 2:
        raise UndefinedMetricError("similarity needs two samples, got 1")
    return _matrix(tuple(samples))


@lru_cache(maxsize=4)  # several signals ask about the samples of one question
def _matrix(samples: tuple[str, ...]) -> FloatArray:
    distinct, place = np.unique(np.array(samples, dtype=object), return_inverse=True)
    pairs = np.array([[overlap(a, b) for b in distinct] for a in distinct])
    found: FloatArray = pairs[np.ix_(place, place)]
    np.fill_diagonal(found, 1.0)
    found.setflags(write=False)
    return found
