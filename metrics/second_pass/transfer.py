"""One probe per task on all that is known of it, and whether it knows the errors of other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.record.channels import PromptState
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.states.fitted_probe import FittedProbe, fit_probe
from metrics.states.transfer import transfer_matrix


def fitted_probe(
    store: ChannelStore, records: Sequence[SampleRecord], *, task: str
) -> tuple[FittedProbe, list[SampleRecord]]:
    """The L2 probe fitted on every labelled record of a task that has its state, and those records.

    Raises UndefinedMetricError where there is too little to fit on.
    """
    hidden, kept = _labelled_states(store, records)
    correct = np.array([record.correct for record in kept])
    probe = fit_probe(hidden, correct, [record.group for record in kept], rng=rng_for(task))
    return probe, kept


def transfer(store: ChannelStore, records: Mapping[str, Sequence[SampleRecord]]) -> dict[str, Any]:
    """Transfer of probes between the tasks of a run, for `RunManifest.transfer`.

    Empty for fewer than two tasks with labels and states.
    """
    states, correct, groups = {}, {}, {}
    for task, own in records.items():
        try:
            hidden, kept = _labelled_states(store, own)
        except UndefinedMetricError:
            continue
        states[task] = hidden
        correct[task] = np.array([record.correct for record in kept])
        groups[task] = [record.group for record in kept]
    if len(states) < 2:
        return {}
    found = transfer_matrix(states, correct, groups, rng=rng_for("/".join(states)))
    return {
        "tasks": list(found.tasks),
        "auroc": [list(row) for row in found.auroc],
        "reasons": found.reasons,
    }


def _labelled_states(
    store: ChannelStore, records: Sequence[SampleRecord]
) -> tuple[np.ndarray, list[SampleRecord]]:
    labelled = [record for record in records if record.correct is not None]
    hidden = store.stacked(PromptState, "by_layer", labelled)
    if hidden is None:
        raise UndefinedMetricError("no labelled sample has its hidden state")
    rows = np.flatnonzero(~np.isnan(hidden).any(axis=(1, 2)))
    return hidden[rows], [labelled[i] for i in rows]
