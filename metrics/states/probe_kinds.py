"""Other kinds of probe at the main position, and the controls of the main probe."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.core.checks import BoolArray, FloatArray, IntArray, Labels
from metrics.errors import UndefinedMetricError
from metrics.fitting.fit_spread import FitSpread
from metrics.fitting.linear_probe import States
from metrics.fitting.logistic_columns import auroc_columns
from metrics.fitting.out_of_fold import FEW_SHUFFLES
from metrics.fitting.permutation import shuffled_aurocs
from metrics.states.probe_bars import leakage_of, paper_of
from metrics.states.probe_controls import N_SPLITS
from metrics.states.probe_l1 import _l1_split, l1_probe
from metrics.states.probe_mlp import _mlp_split, mlp_probe
from metrics.states.probes import ProbeScores, last_layers_probe
from metrics.states.repeated_probe import Prepared

SHOWN_DIMENSIONS = 20
PAPER_NOTE = "80/20 splits of rows, layer chosen on the reported rows: for comparison only"
# permutations of the labels for the main probe, and for each other L2 probe
N_SHUFFLES, N_SHUFFLES_BESIDE = 49, 19


@dataclass(frozen=True)
class Samples:
    """Labels, images, kinds and answers of some samples."""

    label: BoolArray
    groups: Labels
    kinds: Labels | None
    answers: Labels | None

    def only(self, rows: BoolArray) -> Samples:
        """Those of chosen rows."""
        picked = [_pick(own, rows) for own in (self.groups, self.kinds, self.answers)]
        return Samples(self.label[rows], picked[0] or [], *picked[1:])


@dataclass(frozen=True)
class Main:
    """The main position, samples without a state left out, and its L2 probe."""

    rows: BoolArray
    hidden: NDArray[np.floating]
    samples: Samples
    prepared: Prepared
    probe: ProbeScores


# scores, what to know of them, and what fitting adds to their standard error
Found = tuple[FloatArray, dict[str, Any], FitSpread | None]


def _pick(labels: Labels | None, rows: BoolArray) -> list[Any] | None:
    return None if labels is None else [labels[int(i)] for i in np.flatnonzero(rows)]


def _l1(main: Main, rng: np.random.Generator) -> Found:
    own = main.samples
    found = l1_probe(
        main.hidden,
        own.label,
        own.groups,
        reference=main.probe,
        rng=rng,
        kinds=own.kinds,
        answers=own.answers,
    )
    fit = _beside(
        main, found.scores, found.fit, rng,
        lambda label, split: _l1_split(main.hidden, label, main.prepared.group, split, rng)[0],
    )  # fmt: skip
    about = {
        "layer_per_fold": found.layer_per_fold.tolist(),
        "C_per_fold": found.C_per_fold.tolist(),
        "n_dimensions": len(found.dimensions),
        "dimensions": [asdict(d) for d in found.dimensions[:SHOWN_DIMENSIONS]],
    }
    return found.scores, about, fit


def _mlp(main: Main, rng: np.random.Generator) -> Found:
    own = main.samples
    found = mlp_probe(
        main.hidden, own.label, reference=main.probe, rng=rng, kinds=own.kinds, answers=own.answers
    )
    inputs: dict[int, States] = {}
    fit = _beside(
        main, found.scores, found.fit, rng,
        lambda label, split: _mlp_split(inputs, main.hidden, label, split, rng),
    )  # fmt: skip
    return found.scores, {}, fit


def _beside(
    main: Main,
    scores: FloatArray,
    fit: FitSpread | None,
    rng: np.random.Generator,
    scores_of: Callable[[BoolArray, tuple[IntArray, IntArray]], FloatArray],
) -> FitSpread | None:
    """With the whole procedure on permuted labels, layers chosen anew by the L2 probe on them."""
    if fit is None:
        return None
    prepared = main.prepared

    def once(label: BoolArray) -> FloatArray:
        chosen = prepared.once(label, rng)
        return scores_of(label, (chosen.fold, chosen.layer_per_fold))

    shuffled = shuffled_aurocs(prepared.label, prepared.group, once, rng, FEW_SHUFFLES)
    return fit.beside(float(auroc_columns(prepared.label, scores[:, None])[0]), shuffled)


def _last5(main: Main, rng: np.random.Generator) -> Found:
    n_layers, own = main.hidden.shape[1], main.samples
    if n_layers < 5:
        raise UndefinedMetricError(f"{n_layers} layers only, 5 are needed")
    found = last_layers_probe(
        main.hidden,
        own.label,
        own.groups,
        rng=rng,
        n_shuffles=N_SHUFFLES_BESIDE,
        kinds=own.kinds,
        answers=own.answers,
    )
    return found.scores, {"C_per_fold": found.C_per_fold.tolist()}, found.fit


def _leakage(main: Main, rng: np.random.Generator) -> dict[str, Any]:
    found = leakage_of(main.prepared, main.probe, rng)
    return {**asdict(found), "line": str(found)}


def _paper(main: Main, rng: np.random.Generator) -> dict[str, Any]:
    found = paper_of(main.prepared.layers, main.samples.label, rng, N_SPLITS)
    return {
        "auroc": found.auroc, "auroc_sd": found.auroc_sd, "n_splits": N_SPLITS,
        "layer": found.layer, "note": PAPER_NOTE,
    }  # fmt: skip


KINDS = {"probe_l1": _l1, "probe_mlp": _mlp, "probe_last5": _last5}
CONTROLS: dict[str, Callable[[Main, np.random.Generator], Any]] = {
    "leakage": _leakage,
    "paper": _paper,
}


def steps_of(states: Collection[str]) -> int:
    """How many steps `probe_panel` has with states of these positions, each of some seconds."""
    return len(states) + len(KINDS) + len(CONTROLS)
