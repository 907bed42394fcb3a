"""What can be learnt with labels from stored states and maps, each score out of fold by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.core.seeds import rng_for
from metrics.core.steps import Progress, Steps
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread, FittedScores
from metrics.maps.attention_features import N_FEATURES, attention_features
from metrics.record.channels import ImageMaps, PromptState, there
from metrics.record.columns import held, values_of
from metrics.record.held import HeldRecords
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.second_pass.detectors import DETECTORS, FittedDetector, detected
from metrics.second_pass.fitted_on import FittedOn, fitted_on
from metrics.second_pass.stored_states import PROBE_STATE, StoredStates
from metrics.states.probe_kinds import steps_of
from metrics.states.probe_panel import probe_panel
from metrics.states.stress_tests import attention_feature_scores, attention_mlp_scores

NO_LABEL = "the sample has no label"
LACKS = "the sample lacks what it is computed from"
PROBES = (
    "probe",
    "probe_l1",
    "probe_mlp",
    "probe_last5",
    "probe_last_answer",
    "probe_mean_answer",
)


@dataclass
class Supervised:
    """Scores of one task, all that could be had.

    Attributes
    ----------
    scores : dict of str to array
        Signal -> one score per labelled record, NaN where it lacks what the score is made of.
    reasons : dict of str to str
        Signal -> why there are none.
    left_out : dict of str to FittedOn
        Signal -> on which samples it was fitted, where those are not all.
    summary : dict
        For the manifest: choices, curves over layers, leakage, shuffled labels.
    fits : dict of str to FitSpread
        Signal -> what fitting adds to the standard error of its AUROC, for `RunManifest.fits`.
    """

    scores: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, FittedOn] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    fits: dict[str, FitSpread] = field(default_factory=dict)

    def entered(self, records: HeldRecords, labelled: NDArray[np.bool_]) -> HeldRecords:
        """Records with the scores beside their signals, a reason wherever there is none.

        Parameters
        ----------
        records : HeldRecords
            Of the task.
        labelled : bool array, shape (n,)
            Which of them have a label, and so a score here.
        """
        columns, reasons = {}, {}
        rows = np.flatnonzero(labelled)
        for name in sorted({*self.scores, *self.reasons}):
            columns[name] = np.full(len(records), np.nan)
            if name in self.scores:
                columns[name][rows] = self.scores[name]
            texts = [NO_LABEL, self.reasons.get(name, LACKS)]
            which = labelled.astype(np.int64)
            if name in self.left_out:
                texts.append(self.left_out[name].reason)
                which[rows[self.left_out[name].left_out]] = 2
            reasons[name] = (texts, which)
        return records.with_columns(columns, reasons)


def supervised_signals(
    store: ChannelStore,
    records: Sequence[SampleRecord],
    *,
    task: str,
    progress: Progress = lambda done, of: None,
) -> Supervised:
    """Probes on the hidden states and stress tests on the maps of labelled records.

    Parameters
    ----------
    store : ChannelStore
        Holds their channels.
    records : sequence of SampleRecord
        Of one task, each with a label.
    task : str
        Seeds the folds.
    progress : callable, optional
        Told how many steps of how many are done, before the first and after each.

    Returns
    -------
    Supervised
    """
    found, records = Supervised(), held(records)
    correct = np.array(records.values("correct"))
    groups = records.values("group")
    part = fitted_on(store.where(PromptState, "by_layer", records), groups, task=task)
    states = StoredStates(store, records.take(part.rows))
    n_probes = steps_of(states) if PROBE_STATE in states else 0
    step = Steps(progress, n_probes + len(_STRESS_TESTS) + len(DETECTORS))
    if PROBE_STATE in states:
        own = records.take(part.rows)
        panel = probe_panel(
            states,
            correct[part.rows],
            own.values("group"),
            rng=rng_for(task),
            progress=step,
            **_strata(own),
        )
        found.fits |= panel.fits
        found.scores |= {name: part.spread(scores) for name, scores in panel.scores.items()}
        found.reasons |= panel.reasons
        found.summary = panel.summary | part.said()
        found.left_out |= dict.fromkeys(panel.scores, part) if part.is_part else {}
    for name in PROBES:
        if name not in found.scores:
            found.reasons.setdefault(name, "no hidden states of this position were kept")
    for name in _STRESS_TESTS:
        _stress_test(found, name, store, records, task)
        step()
    for detector in DETECTORS:
        _detect(found, detector, store, records, task)
        step()
    return found


def _detect(
    found: Supervised,
    detector: FittedDetector,
    store: ChannelStore,
    records: HeldRecords,
    task: str,
) -> None:
    has_all = [store.where(channel, name, records) for channel, name, _ in detector.reads]
    there_ = np.logical_and.reduce(has_all)
    part = fitted_on(there_, records.values("group"), task=task)
    chosen = part.rows if part.is_part else np.arange(len(records))
    own = detected(detector, store, records.take(chosen), task=task)
    found.reasons |= own.reasons
    if part.is_part:
        found.left_out |= dict.fromkeys(own.fitted, part)
    for name, fitted in own.fitted.items():
        found.scores[name] = np.full(len(records), np.nan)
        found.scores[name][chosen[own.rows]] = fitted.scores
        if fitted.fit is not None:
            found.fits[name] = fitted.fit
        if fitted.figures:
            found.summary.setdefault("figures", {})[name] = dict(fitted.figures)


def _maps_of(store: ChannelStore, records: Sequence[SampleRecord]) -> list[np.ndarray]:
    """Maps of the layers that have one, (n, height, width) each."""
    found = store.array(ImageMaps, "by_layer", records)
    return [there(maps) for maps in found if maps is not None]


def _strata(records: Sequence[SampleRecord]) -> dict[str, list[str]]:
    """Within what the AUROCs of a card are taken too, as it does."""
    return {
        "kinds": values_of(records, "kind"),
        "answers": values_of(records, "normal_answer"),
    }


def _features(maps: list[np.ndarray], records: Sequence[SampleRecord]) -> list[list[float]]:
    rows = []
    undefined: UndefinedMetricError | None = None
    for own, record in zip(maps, records, strict=True):
        mass = record.signals.get("image_attention_mass")
        try:
            if mass is None:
                raise UndefinedMetricError("the attention that goes to the image is not known")
            features = attention_features(own, image_mass=mass)
            rows.append(list(features.values()))
        except UndefinedMetricError as why:  # a constant map, say: missing to the trees
            rows.append([np.nan] * N_FEATURES)
            undefined = why
    if undefined is not None and np.isnan(rows).all():  # a decoder of one layer, say
        raise undefined
    return rows


def _maps(maps: list[np.ndarray], _records: Sequence[SampleRecord]) -> list[np.ndarray]:
    if len({len(own) for own in maps}) > 1:
        raise UndefinedMetricError("samples have maps of different layers: windows leave the image")
    return maps


# signal -> what it is fitted on, of maps and records, and how
_STRESS_TESTS: dict[str, tuple[Callable[..., Any], Callable[..., FittedScores]]] = {
    "attention_features": (_features, attention_feature_scores),
    "attention_mlp": (_maps, attention_mlp_scores),
}


def _stress_test(
    found: Supervised,
    name: str,
    store: ChannelStore,
    records: HeldRecords,
    task: str,
) -> None:
    prepare, fit = _STRESS_TESTS[name]
    there_ = store.where(ImageMaps, "by_layer", records)
    part = fitted_on(there_, records.values("group"), task=task)
    chosen = records.take(part.rows)
    try:
        if not chosen:
            raise UndefinedMetricError("no attention maps were kept")
        fitted = fit(
            prepare(_maps_of(store, chosen), chosen),
            correct=np.array(chosen.values("correct")),
            groups=chosen.values("group"),
            rng=rng_for(task),
            **_strata(chosen),
        )
    except UndefinedMetricError as undefined:
        found.reasons[name] = str(undefined)
        return
    found.scores[name] = part.spread(fitted.scores)
    found.summary |= part.said()
    if part.is_part:
        found.left_out[name] = part
    if fitted.fit is not None:
        found.fits[name] = fitted.fit
