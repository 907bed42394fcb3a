"""Release check: verdicts on two runs whose true difference is known."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from benchmarks.simulations._two_runs import AREA, SIGNAL, Pair, Sweep, drawn
from benchmarks.simulations.design import Design
from leaderboard.release.compare import compare_runs
from leaderboard.release.robustness import change_of_curves
from leaderboard.release.tolerances import Tolerances
from leaderboard.release.verdicts import Gate, judge
from metrics.comparison.paired_proportions import paired_proportion_difference
from metrics.states.unit_ranking import ranking_verdict

ACCURACY, AUROC, AUGRC = "accuracy", f"auroc.{SIGNAL}", f"augrc.{SIGNAL}"
MARGINS = {ACCURACY: 0.02, AUROC: 0.03, AUGRC: 0.02}


def gates_of(pair: Pair, margins: dict[str, float], rng: np.random.Generator) -> list[Gate]:
    """Gates of one draw."""
    old, new = drawn(pair, rng)
    tolerances = Tolerances(margins)
    return [gate for _, gate in compare_runs(old, new, tolerances).gates]


def says(
    words: tuple[str, ...], pair: Pair, margins: dict[str, float], rng: np.random.Generator
) -> bool:
    """Whether any gate gets such a verdict."""
    return any(gate.verdict in words for gate in gates_of(pair, margins, rng))


def finds_stated(gate: str, pair: Pair, rng: np.random.Generator) -> bool | None:
    """Whether a loss is found that is as large as two equal models' check says it could see."""
    margins = {gate: MARGINS[gate]}
    (stated,) = (found.detectable for found in gates_of(pair, margins, rng))
    if stated is None:
        return None
    if gate == ACCURACY:
        worse = replace(pair, lost=stated)
    else:
        per_area = 1.0 if gate == AUROC else pair.accuracy * (1 - pair.accuracy)
        worse = replace(pair, lost_signal=stated / per_area)
    if max(worse.lost - pair.accuracy, worse.lost_signal - AREA) >= 0:
        return None  # there is not so much to lose
    return says(("regressed",), worse, margins, rng)


def robustness_says(
    words: tuple[str, ...], sweep: Sweep, base: float, margin: float, rng: np.random.Generator
) -> bool:
    """Verdict of the robustness gate; the old model loses ``base``, the new one more."""
    clean = sweep.clean(rng)
    old = replace(sweep, lost=base).draw(rng, clean)
    new = sweep.draw(rng, clean)
    change = change_of_curves(old, new, sweep.groups, margin=margin)
    (gate,) = judge([change], Tolerances({"robustness": margin}))
    return gate.verdict in words


def calls_distributed(sweep: Sweep, rng: np.random.Generator) -> bool:
    """Whether ranked units whose loss is as large as the margin are called distributed."""
    clean = sweep.clean(rng)
    after = sweep.draw(rng, clean).correct[:, 0]
    drop = paired_proportion_difference(after, clean, groups=sweep.groups).estimate
    right = int(clean.sum())
    found = ranking_verdict(
        drop, drop, n_groups=sweep.images, n_correct=right, n_errors=clean.size - right
    )
    return found.word == "distributed"


CHANGED, UNCHANGED, REGRESSED = (
    ("regressed", "improved"), ("unchanged within margin",), ("regressed",)
)  # fmt: skip
EXACT = {gate: 0.0 for gate in MARGINS}


def _false_alarms() -> list[Design]:
    """Two equal models: no gate may say that they differ, whatever the number of images."""
    found = []
    for images, draws in ((6, 300), (10, 300), (15, 300), (20, 1000), (30, 800), (125, 250)):
        pair = Pair(images)
        for name, margins in (("accuracy", {ACCURACY: 0.0}), ("AUROC", {AUROC: 0.0})):
            found.append(
                Design(
                    f"{name}: regressed or improved, margin 0",
                    f"equal models, {images} images of 8 answers",
                    "false alarm", 0.05, 0.05, partial(says, CHANGED, pair, margins), draws,
                )
            )  # fmt: skip
    for images, answers, draws in ((30, 8, 400), (125, 8, 200), (500, 2, 200)):
        data = f"equal models, {images} images of {answers} answers"
        draw = partial(says, CHANGED, Pair(images, answers), EXACT)
        found.append(
            Design(
                "three gates together: regressed or improved, margin 0",
                data, "false alarm", 0.05, 0.05, draw, draws,
            )
        )  # fmt: skip
    for images, draws in ((20, 1000), (125, 300)):
        draw = partial(robustness_says, CHANGED, Sweep(images, 8, lost=0.2), 0.2, 0.0)
        data = f"equal models, {images} images of 8 answers, a fifth lost"
        found.append(
            Design(
                "robustness: regressed or improved, margin 0",
                data, "false alarm", 0.05, 0.05, draw, draws,
            )
        )  # fmt: skip
    return found


def _false_peace() -> list[Design]:
    """A loss beyond the margin: no gate may say that nothing changed."""
    found = []
    for images, answers in ((2, 2), (20, 1), (30, 1), (30, 8), (200, 1), (200, 4)):
        for whole in (0.0, 1.0):
            pair = Pair(images, answers, lost=0.05, whole=whole, shared=0.97)
            how = "by whole images" if whole else "by single answers"
            found.append(
                Design(
                    "accuracy: unchanged within 0.02",
                    f"a true drop of 0.05 {how}, {images} images of {answers}",
                    "false alarm", 0.05, 0.05, partial(says, UNCHANGED, pair, {ACCURACY: 0.02}),
                    400,
                )
            )  # fmt: skip
    for images, answers in ((125, 1), (60, 4), (250, 1)):
        for gate, margin, lost in ((AUROC, 0.03, 0.035), (AUGRC, 0.006, 0.035)):
            pair = Pair(images, answers, lost_signal=lost, collapsed=True, shared=1.0)
            found.append(
                Design(
                    f"{gate.split('.')[0].upper()}: unchanged within {margin:g}",
                    f"a few images collapse, AUROC falls by 0.035, {images} images of {answers}",
                    "false alarm", 0.05, 0.05, partial(says, UNCHANGED, pair, {gate: margin}), 300,
                )
            )  # fmt: skip
    for images, answers in ((30, 4), (125, 1)):
        sweep = Sweep(images, answers, lost=0.06, whole=True)
        draw = partial(robustness_says, UNCHANGED, sweep, 0.0, 0.05)
        found.append(
            Design(
                "robustness: unchanged within 0.05",
                f"a few images break, area falls by 0.06, {images} images of {answers}",
                "false alarm", 0.05, 0.05, draw, 400,
            )
        )  # fmt: skip
    for images, answers, whole in ((16, 8, False), (31, 8, False), (31, 8, True), (125, 4, True)):
        draw = partial(calls_distributed, Sweep(images, answers, 0.7, 0.05 / 0.7, whole))
        how = "by whole images" if whole else "by single answers"
        found.append(
            Design(
                "ranked units: distributed",
                f"a true loss of 0.05 {how}, {images} images of {answers}",
                "false alarm", 0.05, 0.05, draw, 800,
            )
        )  # fmt: skip
    return found


def _tolerated() -> list[Design]:
    """A loss inside the margin is no regression."""
    return [
        Design(
            "accuracy: regressed beyond 0.02",
            f"a true drop of 0.0165, {images} images of {answers}, {alike:g} alike",
            "false alarm", 0.05, 0.05,
            partial(says, REGRESSED, Pair(images, answers, lost=0.0165, shared=alike),
                    {ACCURACY: 0.02}),
            draws,
        )
        for images, answers, alike, draws in (
            (125, 8, 0.8, 300), (125, 8, 0.99, 300), (500, 2, 0.99, 300), (500, 8, 0.99, 100)
        )
    ]  # fmt: skip


def _power() -> list[Design]:
    """A loss as large as the check says it can see is found."""
    return [
        Design(
            f"{gate.split('.')[0]}: regressed, margin {MARGINS[gate]:g}",
            f"a true loss of what is stated as detectable, {images} images of {answers}",
            "power", 0.8, 0.75, partial(finds_stated, gate, Pair(images, answers)), draws,
        )
        for gate in (ACCURACY, AUROC, AUGRC)
        for images, answers, draws in ((30, 8, 300), (125, 8, 150), (500, 2, 150))
    ]  # fmt: skip


DESIGNS = (*_false_alarms(), *_false_peace(), *_tolerated(), *_power())
