"""The candidate that an answer names, among those of its kind: yes and no, or options' letters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import FloatArray
from metrics.errors import UndefinedMetricError

NONE_GIVEN = "the answer begins with none of yes, no and the letters of options"


def candidate_masses(
    masses: NDArray[np.floating], given: int, *, n_words: int
) -> tuple[float, FloatArray]:
    """Probability of the given candidate, and of the others of its kind.

    Parameters
    ----------
    masses : float array, shape (n_candidates,)
        Words first, then letters; NaN where no token tells a candidate from the others.
    given : int
        Which of them the answer names; -1 for none.
    n_words : int
        How many are words.

    Raises
    ------
    UndefinedMetricError
        For an answer that names none, or where tokens tell no other.
    """
    if given < 0:
        raise UndefinedMetricError(NONE_GIVEN)
    is_word = given < n_words
    kind = slice(0, n_words) if is_word else slice(n_words, None)
    wide = masses.astype(np.float64)
    others = np.delete(wide[kind], given if is_word else given - n_words)
    others = others[np.isfinite(others)]
    if not others.size:
        raise UndefinedMetricError("no other candidate can be told by its first token")
    return float(wide[given]), others
