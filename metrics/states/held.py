"""States of those samples that have one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, same_length
from metrics.fitting.linear_probe import check_states


@dataclass(frozen=True)
class Held:
    """States of those samples that have one.

    ``rows``, bool (n_samples,), says which; ``hidden`` has shape (rows.sum(), n_layers + 1,
    d_model).
    """

    rows: BoolArray
    hidden: NDArray[np.floating]


States = NDArray[np.floating] | Held


def held_states(function: str, name: str, states: States, n: int) -> Held:
    """Which of n samples have a state, and their states; ``function`` refuses what is malformed."""
    if isinstance(states, Held):
        same_length(function, f"states[{name}].rows", states.rows, n)
        n_held = int(states.rows.sum())
        check_states(function, states.hidden, n_held, f"states[{name}].hidden")
        return states
    check_states(function, states, n, f"states[{name}]")
    rows: BoolArray = np.logical_not(np.isnan(states).all(axis=(1, 2)))
    return Held(rows, states if rows.all() else states[rows])
