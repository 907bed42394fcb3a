"""A task whose answers are all there: what is fitted on its labels, and what may not be scored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metrics.core.steps import Progress
from metrics.record.channels import ListedTokens
from metrics.record.columns import held, signal_columns
from metrics.record.held import HeldRecords
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.scores.validity import check_signal
from metrics.second_pass.cluster_grid import cluster_grid
from metrics.second_pass.supervised import supervised_signals
from metrics.signals import ANY, BOUNDS, BY_NAME


@dataclass(frozen=True)
class SecondPass:
    """What the answers of one task give together.

    Attributes
    ----------
    records : HeldRecords
        Those handed in, each with the same signals, and the fitted ones beside.
    invalid : dict of str to str
        Signal -> why the validity gate rejected it.
    fits : dict of str to dict
        Signal -> what fitting adds to its standard error, for `RunManifest.fits`.
    probe : dict
        What was found on the hidden states, for `RunManifest.probe`.
    left_out : dict of str to str
        Signal -> why it is about none of these answers; no record has it.
    """

    records: HeldRecords
    invalid: dict[str, str]
    fits: dict[str, dict[str, Any]]
    probe: dict[str, Any]
    left_out: dict[str, str] = field(default_factory=dict)


def second_pass(
    store: ChannelStore,
    records: Sequence[SampleRecord],
    *,
    task: str,
    not_offered: Collection[str],
    geometry: str | None,
    with_cluster_grid: bool = False,
    progress: Progress = lambda done, of: None,
) -> SecondPass:
    """Fit what is fitted on the labels of a task, and check every signal's values.

    Parameters
    ----------
    store : ChannelStore
        Holds the records' channels.
    records : sequence of SampleRecord
        All of the task, in the order in which they are stored. Those without a label are not
        fitted on.
    task : str
        Seeds the folds.
    not_offered : collection of str
        Signals that the access or the settings leave out.
    geometry : str or None
        Why no signal on the image's grid counts on this model.
    with_cluster_grid : bool, default False
        Score the cluster count over radii and shares of cells too.
    progress : callable, optional
        Told how many steps of how many are done: a probe of 3,000 samples takes a minute.

    Returns
    -------
    SecondPass
    """
    every = held(records)
    left_out = _about_no_answer(every)
    alike = every.without_signals(left_out.keys()).with_same_names()
    is_labelled = np.array([label is not None for label in alike.values("correct")])
    labelled = alike.where(is_labelled)
    found = supervised_signals(store, labelled, task=task, progress=progress)
    for name in found.reasons.keys() & set(not_offered):
        del found.reasons[name]
    for by_name in (found.reasons, found.scores, found.fits):
        for name in by_name.keys() & left_out.keys():
            del by_name[name]
    whole = found.entered(alike, is_labelled)
    probe = found.summary
    if listed := _listed(store, every):
        probe = probe | {"figures": probe.get("figures", {}) | {"logit_entropy_bound": listed}}
    if with_cluster_grid:
        probe = probe | {"cluster_grid": cluster_grid(store, labelled)}
    fits = {name: fit.to_json() for name, fit in found.fits.items()}
    invalid = invalid_signals(whole, geometry=geometry)
    return SecondPass(whole, invalid, fits, probe, left_out)


def _listed(store: ChannelStore, records: Sequence[SampleRecord]) -> dict[str, float]:
    """Probability that bounds of entropies rest on: its mean over answer tokens, and its least."""
    found = store.array(ListedTokens, "seen", records)
    seen = [own for own in found if own is not None and own.size]
    if not seen:
        return {}
    tokens = np.concatenate(seen).astype(np.float64)
    return {"mass_listed": float(tokens.mean()), "least_mass_listed": float(tokens.min())}


def _about_no_answer(records: HeldRecords) -> dict[str, str]:
    """Signals of a kind of answer that no record has, and why."""
    found, names, reasons_there = {}, set(records.signal_names()), records.reasons()
    for name, signal in BY_NAME.items():
        if not signal.applies:
            continue
        is_there = name in names and np.isfinite(records.signal(name)).any()
        said = any(reasons.get(name) == signal.applies for reasons in reasons_there)
        if said and not is_there:
            found[name] = f"no answer is of that kind: {signal.applies}"
    reasons = {BY_NAME[name].applies: why for name, why in found.items()}
    fitted = (own for own in BY_NAME.values() if own.fitted and own.applies in reasons)
    return found | {signal.name: reasons[signal.applies] for signal in fitted}


def invalid_signals(records: Sequence[SampleRecord], *, geometry: str | None) -> dict[str, str]:
    """Signals of a task that may not be scored, and why.

    Parameters
    ----------
    records : sequence of SampleRecord
        All of the task.
    geometry : str or None
        Why no signal on the image's grid counts on this model, whatever its values are.
    """
    invalid = {}
    for name, values in signal_columns(records).items():
        distrusted = geometry if name in BY_NAME and BY_NAME[name].on_grid else None
        complaint = distrusted or check_signal(values, bounds=BOUNDS.get(name, ANY))
        if complaint is not None and np.isnan(values).all():
            complaint = f"{complaint}: {records[0].missing.get(name, 'no reason given')}"
        if complaint is not None:
            invalid[name] = complaint
    return invalid
