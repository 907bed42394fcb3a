"""The candidate that an answer names, among those of its kind: yes and no, or options' letters."""

from __future__ import annotations

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.record.channels import N_WORDS, CandidateMasses

NONE_GIVEN = "the answer begins with none of yes, no and the letters of options"


def candidate_masses(channel: CandidateMasses) -> tuple[float, np.ndarray]:
    """Probability of the given candidate, and of the others of its kind.

    Raises UndefinedMetricError for an answer that names none, or where tokens tell no other.
    """
    given = int(channel.given[0])
    if given < 0:
        raise UndefinedMetricError(NONE_GIVEN)
    is_word = given < N_WORDS
    kind = slice(0, N_WORDS) if is_word else slice(N_WORDS, None)
    masses = channel.masses.astype(np.float64)
    others = np.delete(masses[kind], given if is_word else given - N_WORDS)
    others = others[np.isfinite(others)]
    if not others.size:
        raise UndefinedMetricError("no other candidate can be told by its first token")
    return float(masses[given]), others
