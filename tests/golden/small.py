"""The reduced golden run: 24 questions of one model, and the card of records without any model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metrics.core.seeds import rng_for
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
    """Every declared signal, each telling right from wrong a little or more, by its name alone.

    So a signal that is added adds its own figures, and leaves those of others as they are.
    """
    plain = make_records(N_RECORDS, seed=5)
    correct = np.array([record.correct for record in plain])
    columns = {}
    for name in (signal.name for signal in SIGNALS):
        rng = rng_for(f"golden/{name}")
        columns[name] = in_range(name, rng.uniform() * correct + rng.normal(size=N_RECORDS))
    return [
        replace(record, signals={name: float(own[row]) for name, own in columns.items()})
        for row, record in enumerate(plain)
    ]


def figures(folder: Path) -> dict[str, Any]:
    """All of the reduced golden."""
    return {"captured": captured(folder / "captured"), "computed": computed(folder / "computed")}
