"""Every probe of one task by one function: signals per sample, and what to know about them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import BoolArray, FloatArray, Labels, binary_labels, refuse, same_length
from metrics._linear_probe import check_states
from metrics.errors import UndefinedMetricError
from metrics.probe_controls import leakage_report, paper_protocol, shuffled_label_aurocs
from metrics.probe_kinds import l1_probe, mlp_probe
from metrics.probes import ProbeScores, cross_fit_probe, last_layers_probe

MAIN = "last_prompt"
# position of the state -> signal of its L2 probe
POSITIONS = {
    MAIN: "probe",
    "last_answer": "probe_last_answer",
    "mean_answer": "probe_mean_answer",
    "blank": "probe_blank",
}
SHOWN_DIMENSIONS = 20
PAPER_NOTE = "one 80/20 split of rows, layer chosen on the reported rows: for comparison only"


@dataclass(frozen=True)
class ProbePanel:
    """All probes of one task.

    Attributes
    ----------
    scores : dict of str to float array, shape (n_samples,)
        Signal -> out-of-fold scores, NaN where the sample lacks the state.
    reasons : dict of str to str
        Signal -> why it has no scores.
    summary : dict
        JSON-ready: per signal its choices and curve over layers, and ``leakage``,
        ``shuffled_label_aurocs`` and ``paper`` of the main probe, or ``<name>_undefined``.
    """

    scores: dict[str, FloatArray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


def probe_panel(
    states: Mapping[str, NDArray[np.floating]],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
) -> ProbePanel:
    r"""L2 probes at every position, other kinds of probe at the main one, and their controls.

    .. math:: \text{signal} \mapsto \hat s_{-f(i)}(h_i)

    with :math:`\hat s_{-f}` fitted without the fold, and so without the image, of sample :math:`i`.
    All probes have the same folds, as far as they have the same samples. Leakage and shuffled
    labels are of the one layer that most folds of the main probe chose, so that they cost little.
    Higher means more likely correct. Range: scores unbounded.

    With 1,600 samples, 7 layers and 128 dimensions 8 s on one core for one position, 12 s for four;
    with 3,000, 33 layers and 4,096 dimensions about 10 and 23 minutes (the parts measured, those by
    layer on one layer, and added up).

    Parameters
    ----------
    states : mapping of str to float array, shape (n_samples, n_layers + 1, d_model)
        "last_prompt", and any of "last_answer", "mean_answer", "blank"; a sample that lacks a state
        is NaN throughout.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of all splits; the main probe draws first.

    Returns
    -------
    ProbePanel
        A probe that is undefined has a reason instead of scores.

    Raises
    ------
    ValueError
        If "last_prompt" is absent, a position is unknown, lengths differ, or a state that is not
        NaN throughout is not finite.

    References
    ----------
    Method §4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> label = np.arange(120) % 2
    >>> states = {"last_prompt": rng.normal(size=(120, 6, 4)) + label[:, None, None]}
    >>> panel = probe_panel(states, label, range(120), rng=rng)
    >>> sorted(panel.scores), panel.reasons
    (['probe', 'probe_l1', 'probe_last5', 'probe_mlp'], {})
    """
    label = binary_labels("probe_panel", "correct", correct)
    same_length("probe_panel", "groups", groups, label.size)
    _check_positions(states, label.size)
    panel = ProbePanel()
    alike = copy.deepcopy(rng)
    main = _position(panel, MAIN, states[MAIN], label, groups, rng)
    for name in POSITIONS:
        if name in states and name != MAIN:
            _position(panel, name, states[name], label, groups, copy.deepcopy(alike))
    if main is None:
        for name in ("probe_l1", "probe_mlp", "probe_last5"):
            panel.reasons[name] = panel.reasons[POSITIONS[MAIN]]
        return panel
    rows = _present(states[MAIN])
    own = _Main(states[MAIN][rows], label[rows], _pick(groups, rows), main)
    for name, compute in _KINDS.items():
        _note(panel, name, rows, partial(compute, own, copy.deepcopy(alike)))
    for name, describe in _CONTROLS.items():
        try:
            panel.summary[name] = describe(own, copy.deepcopy(alike))
        except UndefinedMetricError as undefined:
            panel.summary[f"{name}_undefined"] = str(undefined)
    return panel


def _check_positions(states: Mapping[str, NDArray[np.floating]], n: int) -> None:
    if MAIN not in states or not set(states) <= set(POSITIONS):
        legal = f"{MAIN} and any of {', '.join(POSITIONS)}"
        raise refuse("probe_panel", "states", legal, ", ".join(states))
    for name, hidden in states.items():
        check_states("probe_panel", hidden, n, f"states[{name}]")


def _pick(labels: Labels, rows: BoolArray) -> list[Any]:
    return [labels[int(i)] for i in np.flatnonzero(rows)]


@dataclass(frozen=True)
class _Main:
    """The main position, samples without a state left out, and its L2 probe."""

    hidden: NDArray[np.floating]
    label: BoolArray
    groups: list[Any]
    probe: ProbeScores

    @property
    def one_layer(self) -> NDArray[np.floating]:
        layer = int(np.bincount(self.probe.layer_per_fold).argmax())
        return self.hidden[:, layer : layer + 1]


def _present(hidden: NDArray[np.floating]) -> BoolArray:
    rows: BoolArray = ~np.isnan(hidden).all(axis=(1, 2))
    return rows


def _position(
    panel: ProbePanel,
    name: str,
    hidden: NDArray[np.floating],
    label: BoolArray,
    groups: Labels,
    rng: np.random.Generator,
) -> ProbeScores | None:
    rows = _present(hidden)
    kept = _pick(groups, rows)
    found: list[ProbeScores] = []

    def compute() -> tuple[FloatArray, dict[str, Any]]:
        fitted = cross_fit_probe(hidden[rows], label[rows], kept, rng=rng)
        found.append(fitted)
        return fitted.scores, _choices(fitted)

    _note(panel, POSITIONS[name], rows, compute)
    return found[0] if found else None


def _note(
    panel: ProbePanel,
    signal: str,
    rows: BoolArray,
    compute: Callable[[], tuple[FloatArray, dict[str, Any]]],
) -> None:
    try:
        scores, summary = compute()
    except UndefinedMetricError as undefined:
        panel.reasons[signal] = str(undefined)
        return
    panel.scores[signal] = np.full(rows.size, np.nan)
    panel.scores[signal][rows] = scores
    panel.summary[signal] = summary


def _choices(fitted: ProbeScores) -> dict[str, Any]:
    return {
        "layer_per_fold": fitted.layer_per_fold.tolist(),
        "C_per_fold": fitted.C_per_fold.tolist(),
        "auroc_by_layer": [float(a) if np.isfinite(a) else None for a in fitted.auroc_by_layer],
    }


def _l1(main: _Main, rng: np.random.Generator) -> tuple[FloatArray, dict[str, Any]]:
    found = l1_probe(main.hidden, main.label, main.groups, reference=main.probe, rng=rng)
    return found.scores, {
        "layer_per_fold": found.layer_per_fold.tolist(),
        "C_per_fold": found.C_per_fold.tolist(),
        "n_dimensions": len(found.dimensions),
        "dimensions": [asdict(d) for d in found.dimensions[:SHOWN_DIMENSIONS]],
    }


def _mlp(main: _Main, rng: np.random.Generator) -> tuple[FloatArray, dict[str, Any]]:
    scores = mlp_probe(main.hidden, main.label, reference=main.probe, rng=rng)
    return scores, {"layer_per_fold": main.probe.layer_per_fold.tolist()}


def _last5(main: _Main, rng: np.random.Generator) -> tuple[FloatArray, dict[str, Any]]:
    n_layers = main.hidden.shape[1]
    if n_layers < 5:
        raise UndefinedMetricError(f"{n_layers} layers only, 5 are needed")
    found = last_layers_probe(main.hidden, main.label, main.groups, rng=rng)
    return found.scores, {"C_per_fold": found.C_per_fold.tolist()}


def _leakage(main: _Main, rng: np.random.Generator) -> dict[str, Any]:
    found = leakage_report(main.one_layer, main.label, main.groups, rng=rng)
    return {**asdict(found), "line": str(found)}


def _shuffled(main: _Main, rng: np.random.Generator) -> list[float]:
    found = shuffled_label_aurocs(main.one_layer, main.label, main.groups, rng=rng)
    return [float(value) for value in found]


def _paper(main: _Main, rng: np.random.Generator) -> dict[str, Any]:
    found = paper_protocol(main.hidden, main.label, rng=rng)
    return {"auroc": found.auroc, "layer": found.layer, "note": PAPER_NOTE}


_KINDS = {"probe_l1": _l1, "probe_mlp": _mlp, "probe_last5": _last5}
_CONTROLS: dict[str, Callable[[_Main, np.random.Generator], Any]] = {
    "leakage": _leakage,
    "shuffled_label_aurocs": _shuffled,
    "paper": _paper,
}
