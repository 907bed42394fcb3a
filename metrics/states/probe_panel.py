"""Every probe of one task by one function: signals per sample, and what to know about them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.core.checks import BoolArray, FloatArray, Labels, binary_labels, refuse, same_length
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread
from metrics.states.held import States, held_states
from metrics.states.probe_kinds import (
    CONTROLS,
    KINDS,
    N_SHUFFLES,
    N_SHUFFLES_BESIDE,
    Found,
    Main,
    Samples,
)
from metrics.states.probes import ProbeScores
from metrics.states.repeated_probe import prepare

MAIN = "last_prompt"
# position of the state -> signal of its L2 probe
POSITIONS = {
    MAIN: "probe",
    "last_answer": "probe_last_answer",
    "mean_answer": "probe_mean_answer",
    "blank": "probe_blank",
}


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
    fits : dict of str to FitSpread
        Signal -> what fitting adds to the standard error of its AUROC.
    """

    scores: dict[str, FloatArray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    fits: dict[str, FitSpread] = field(default_factory=dict)


def probe_panel(
    states: Mapping[str, States],
    correct: ArrayLike,
    groups: Labels,
    *,
    rng: np.random.Generator,
    kinds: Labels | None = None,
    answers: Labels | None = None,
    progress: Callable[[], None] = lambda: None,
) -> ProbePanel:
    r"""L2 probes at every position, other kinds of probe at the main one, and their controls.

    .. math:: \text{signal} \mapsto \hat s_{-f(i)}(h_i)

    with :math:`\hat s_{-f}` fitted without the fold, and so without the image, of sample :math:`i`.
    All probes have the same splits, as far as they have the same samples. Each is a whole procedure
    repeated over splits (20 for L2 probes, 6 for the others): its scores are those of the split in
    the middle, ``fits`` holds what to add to their standard error, and for L2 probes a permutation
    p. The bars of the main probe (leakage, shuffled labels, protocol "paper") have its layers, its
    strengths and its splits. Higher means more likely correct. Range: scores unbounded.

    With 1,000 samples, 7 layers and 96 dimensions 16 s on one core for one position, 26 s for four;
    with 3,000, 33 layers and 4,096 dimensions about 10 and 18 minutes (the parts measured, those by
    layer on two layers, and added up).

    Parameters
    ----------
    states : mapping of str to float array, shape (n_samples, n_layers + 1, d_model), or Held
        "last_prompt", and any of "last_answer", "mean_answer", "blank"; a sample that lacks a state
        is NaN throughout, or not among the rows held. Each is asked for once, one at a time, so
        that a mapping may read it only then.
    correct : 0/1 array, shape (n_samples,)
        1 where the answer is correct.
    groups : sequence, length n_samples
        Image of each sample.
    rng : numpy.random.Generator
        Source of all splits; the main probe draws first.
    kinds, answers : sequence, length n_samples, optional
        Question kind and given answer of each sample, for `fit_spread`.
    progress : callable, optional
        Called after each of `steps_of`.

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
    _check_positions(states)
    panel, all_ = ProbePanel(), Samples(label, groups, kinds, answers)
    alike = copy.deepcopy(rng)
    for name in POSITIONS:  # the main one last: it is needed to the end, the others go
        if name in states and name != MAIN:
            _position(panel, name, states[name], all_, copy.deepcopy(alike))
            progress()
    main = _position(panel, MAIN, states[MAIN], all_, rng)
    progress()
    if main is None:
        for name in ("probe_l1", "probe_mlp", "probe_last5"):
            panel.reasons[name] = panel.reasons[POSITIONS[MAIN]]
        return panel
    for name, compute in KINDS.items():
        _note(panel, name, main.rows, partial(compute, main, copy.deepcopy(alike)))
        progress()
    panel.summary["shuffled_label_aurocs"] = main.probe.shuffled_aurocs.tolist()
    for name, describe in CONTROLS.items():
        try:
            panel.summary[name] = describe(main, copy.deepcopy(alike))
        except UndefinedMetricError as undefined:
            panel.summary[f"{name}_undefined"] = str(undefined)
        progress()
    return panel


def _check_positions(states: Mapping[str, States]) -> None:
    if MAIN not in states or not set(states) <= set(POSITIONS):
        legal = f"{MAIN} and any of {', '.join(POSITIONS)}"
        raise refuse("probe_panel", "states", legal, ", ".join(states))


def _position(
    panel: ProbePanel,
    name: str,
    states: States,
    all_: Samples,
    rng: np.random.Generator,
) -> Main | None:
    held = held_states("probe_panel", name, states, all_.label.size)
    rows, own = held.rows, held.hidden
    samples = all_.only(rows)
    found: list[Main] = []

    def compute() -> Found:
        prepared = prepare("cross_fit_probe", own, samples.label, samples.groups)
        n_shuffles = N_SHUFFLES if name == MAIN else N_SHUFFLES_BESIDE
        fitted = prepared.probe(
            rng, n_shuffles=n_shuffles, kinds=samples.kinds, answers=samples.answers
        )
        found.append(Main(rows, own, samples, prepared, fitted))
        return fitted.scores, _choices(fitted), fitted.fit

    _note(panel, POSITIONS[name], rows, compute)
    return found[0] if found else None


def _note(panel: ProbePanel, signal: str, rows: BoolArray, compute: Callable[[], Found]) -> None:
    try:
        scores, summary, fit = compute()
    except UndefinedMetricError as undefined:
        panel.reasons[signal] = str(undefined)
        return
    panel.scores[signal] = np.full(rows.size, np.nan)
    panel.scores[signal][rows] = scores
    panel.summary[signal] = summary
    if fit is not None:
        panel.fits[signal] = fit


def _choices(fitted: ProbeScores) -> dict[str, Any]:
    return {
        "layer_per_fold": fitted.layer_per_fold.tolist(),
        "C_per_fold": fitted.C_per_fold.tolist(),
        "auroc_by_layer": [float(a) if np.isfinite(a) else None for a in fitted.auroc_by_layer],
        "repeat_aurocs": fitted.repeat_aurocs.tolist(),
    }
