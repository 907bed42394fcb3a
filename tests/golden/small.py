"""The reduced golden run: 24 questions of one model, and the card of records without any model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metrics.record.records import SampleRecord
from metrics.signals import SIGNALS
from tests.golden.runs import board_of, figures_of_family
from tests.leaderboard.helpers.golden import make_records, write_run
from tests.signal_values import in_range

FILE = Path(__file__).with_name("small.json")
FAMILY, QUESTIONS = "llava", 24
N_RECORDS = 240


def captured(folder: Path) -> dict[str, Any]:
    """Figures that rest on a model: equal up to what float32 kernels differ in."""
    return figures_of_family(FAMILY, folder, questions=QUESTIONS, sweep=0)


def computed(folder: Path) -> dict[str, Any]:
    """Figures of made-up records, four questions to an image, that no model had a part in."""
    write_run(folder / "made_up", records())
    return board_of(folder)["made_up"]


def records() -> list[SampleRecord]:
    """Every declared signal, each telling right from wrong a little better than the one before."""
    rng = np.random.default_rng(5)
    plain = make_records(N_RECORDS, seed=5)
    noise = rng.normal(size=(N_RECORDS, len(SIGNALS)))
    made = []
    for record, own in zip(plain, noise, strict=True):
        score = own + np.linspace(0, 1, len(SIGNALS)) * record.correct
        signals = {s.name: float(in_range(s.name, x)) for s, x in zip(SIGNALS, score, strict=True)}
        made.append(replace(record, signals=signals))
    return made


def figures(folder: Path) -> dict[str, Any]:
    """All of the reduced golden."""
    return {"captured": captured(folder / "captured"), "computed": computed(folder / "computed")}
