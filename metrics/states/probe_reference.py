"""What the other kinds of probe take over from the L2 probe."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, IntArray, refuse, same_length
from metrics.errors import UndefinedMetricError
from metrics.fitting.linear_probe import Basis, States, check_states, layer_states
from metrics.states.repeated_probe import ProbeScores

N_REPEATS = 6  # a fit of these costs what a hundred of the L2 probe's do


def check_reference(
    function: str, hidden: NDArray[np.floating], label: BoolArray, reference: ProbeScores
) -> None:
    """Refuse a reference of other samples, and labels too few for its folds."""
    check_states(function, hidden, label.size)
    same_length(function, "reference.fold", reference.fold, label.size)
    last = max(int(layers.max()) for _, layers in reference.repeats)
    if last >= hidden.shape[1]:
        legal = f"of a probe on the same {hidden.shape[1]} layers"
        raise refuse(function, "reference", legal, f"one that chose layer {last}")


def standardised_states(
    function: str, hidden: NDArray[np.floating], layer: int, train: IntArray
) -> States:
    """States of a layer, standardised on the training rows; not rotated: dimensions stay."""
    x = layer_states(function, hidden, layer)
    basis = Basis.standardising(x[train])
    if basis is None:
        raise UndefinedMetricError("the hidden states do not vary at the chosen layer")
    return basis.transform(x)
