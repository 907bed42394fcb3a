"""What can be learnt with labels from stored states and maps, each score out of fold by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metrics.core.seeds import rng_for
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread, FittedScores
from metrics.maps.attention_features import N_FEATURES, attention_features
from metrics.record.channels import (
    BlankState,
    ImageMaps,
    LastAnswerState,
    MeanAnswerState,
    PromptState,
    there,
)
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.second_pass.detectors import DETECTORS, FittedDetector, detected
from metrics.states.probe_panel import probe_panel
from metrics.states.stress_tests import attention_feature_scores, attention_mlp_scores

PROBE_STATE = "last_prompt"
STATES = {
    PROBE_STATE: PromptState,
    "last_answer": LastAnswerState,
    "mean_answer": MeanAnswerState,
    "blank": BlankState,
}
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
    summary : dict
        For the manifest: choices, curves over layers, leakage, shuffled labels.
    fits : dict of str to FitSpread
        Signal -> what fitting adds to the standard error of its AUROC, for `RunManifest.fits`.
    """

    scores: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    fits: dict[str, FitSpread] = field(default_factory=dict)

    def entered(
        self, records: Sequence[SampleRecord], labelled: Sequence[SampleRecord]
    ) -> list[SampleRecord]:
        """Records with the scores beside their signals, a reason wherever there is none."""
        row = {record.doc_id: i for i, record in enumerate(labelled)}
        return [self._entered(record, row.get(record.doc_id)) for record in records]

    def _entered(self, record: SampleRecord, row: int | None) -> SampleRecord:
        signals: dict[str, float | None] = {}
        missing = {}
        for name in sorted({*self.scores, *self.reasons}):
            values = self.scores.get(name)
            value = np.nan if values is None or row is None else float(values[row])
            signals[name] = None if np.isnan(value) else value
            if np.isnan(value):
                missing[name] = (
                    "the sample has no label"
                    if row is None
                    else self.reasons.get(name, "the sample lacks what it is computed from")
                )
        return record.with_signals(signals, missing)


def supervised_signals(
    store: ChannelStore, records: Sequence[SampleRecord], *, task: str
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

    Returns
    -------
    Supervised
    """
    found = Supervised()
    correct = np.array([record.correct for record in records])
    groups = [record.group for record in records]
    states = _states_of(store, records)
    if PROBE_STATE in states:
        panel = probe_panel(states, correct, groups, rng=rng_for(task), **_strata(records))
        found.fits |= panel.fits
        found.scores |= panel.scores
        found.reasons |= panel.reasons
        found.summary = panel.summary
    for name in PROBES:
        if name not in found.scores:
            found.reasons.setdefault(name, "no hidden states of this position were kept")
    for name in _STRESS_TESTS:
        _stress_test(found, name, store, records, task)
    for detector in DETECTORS:
        _detect(found, detector, store, records, task)
    return found


def _detect(
    found: Supervised,
    detector: FittedDetector,
    store: ChannelStore,
    records: Sequence[SampleRecord],
    task: str,
) -> None:
    own = detected(detector, store, records, task=task)
    found.reasons |= own.reasons
    for name, fitted in own.fitted.items():
        found.scores[name] = np.full(len(records), np.nan)
        found.scores[name][own.rows] = fitted.scores
        if fitted.fit is not None:
            found.fits[name] = fitted.fit


def _maps_of(store: ChannelStore, records: Sequence[SampleRecord]) -> list[np.ndarray | None]:
    """Maps of the layers that have one, (n, height, width) each; None where absent."""
    found = store.array(ImageMaps, "by_layer", records)
    return [None if maps is None else there(maps) for maps in found]


def _states_of(store: ChannelStore, records: Sequence[SampleRecord]) -> dict[str, np.ndarray]:
    """States by position, float32 (n, n_layers + 1, d_model), NaN where one is missing."""
    found = {name: store.stacked(channel, "by_layer", records) for name, channel in STATES.items()}
    return {name: rows for name, rows in found.items() if rows is not None}


def _strata(records: Sequence[SampleRecord]) -> dict[str, list[str]]:
    """Within what the AUROCs of a card are taken too, as it does."""
    return {
        "kinds": [record.kind for record in records],
        "answers": [record.normal_answer for record in records],
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
    records: Sequence[SampleRecord],
    task: str,
) -> None:
    prepare, fit = _STRESS_TESTS[name]
    maps = _maps_of(store, records)
    rows = [i for i, own in enumerate(maps) if own is not None]
    chosen = [records[i] for i in rows]
    try:
        if not rows:
            raise UndefinedMetricError("no attention maps were kept")
        fitted = fit(
            prepare([own for own in maps if own is not None], chosen),
            correct=np.array([record.correct for record in chosen]),
            groups=[record.group for record in chosen],
            rng=rng_for(task),
            **_strata(chosen),
        )
    except UndefinedMetricError as undefined:
        found.reasons[name] = str(undefined)
        return
    found.scores[name] = np.full(len(records), np.nan)
    found.scores[name][rows] = fitted.scores
    if fitted.fit is not None:
        found.fits[name] = fitted.fit
