"""One probe per task on all that is known of it, and whether it knows the errors of other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.record.channels import PromptState
from metrics.record.columns import labelled_of
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.second_pass.fitted_on import fitted_on
from metrics.states.fitted_probe import FittedProbe, fit_probe
from metrics.states.transfer import transfer_matrix


def fitted_probe(
    store: ChannelStore, records: Sequence[SampleRecord], *, task: str
) -> tuple[FittedProbe, list[SampleRecord]]:
    """The L2 probe fitted on the labelled records of a task that have its state, and those records.

    Of very many records on a seeded part of the images (`fitted_on`).

    Raises UndefinedMetricError where there is too little to fit on.
    """
    hidden, kept = _labelled_states(store, records, task)
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
            hidden, kept = _labelled_states(store, own, task)
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
    store: ChannelStore, records: Sequence[SampleRecord], task: str
) -> tuple[np.ndarray, list[SampleRecord]]:
    own = labelled_of(records)
    there = store.where(PromptState, "by_layer", own)
    part = fitted_on(there, own.values("group"), task=task)
    chosen = list(own.take(part.rows))
    hidden = store.stacked(PromptState, "by_layer", chosen)
    if hidden is None:
        raise UndefinedMetricError("no labelled sample has its hidden state")
    finite = np.array([np.isfinite(own).all() for own in hidden])
    if finite.all():
        return hidden, chosen
    return hidden[finite], [chosen[i] for i in np.flatnonzero(finite)]
