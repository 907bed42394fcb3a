"""Further parts of a benchmark's section: each is a heading with its tables and charts.

A new kind of result is a file of `leaderboard/tables`, with its `Summary` where it needs data of
its own, and one line in `PARTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboard.figures.charts import Chart
from leaderboard.figures.galleries import Gallery, grounding_galleries
from leaderboard.figures.robustness import figures as robustness_figures
from leaderboard.figures.thresholds import threshold_charts
from leaderboard.results.aggregate import Board
from leaderboard.results.listing import LISTING
from leaderboard.results.summary import Summary
from leaderboard.tables.arena import arena_tables
from leaderboard.tables.card import (
    calibration_tables,
    consistency_tables,
    fusion_tables,
    selective_tables,
)
from leaderboard.tables.controls import controls_tables
from leaderboard.tables.cost import cost_tables
from leaderboard.tables.evolution import evolution_tables
from leaderboard.tables.failures import FAILED, failure_tables
from leaderboard.tables.fitted_controls import fitted_control_tables
from leaderboard.tables.grounding import tables as grounding_tables
from leaderboard.tables.lens import lens_tables
from leaderboard.tables.prediction_sets import prediction_set_tables
from leaderboard.tables.ranks import rank_tables
from leaderboard.tables.robustness import tables as robustness_tables
from leaderboard.tables.table import Table
from leaderboard.tables.thresholds import THRESHOLDS, threshold_tables
from leaderboard.tables.transfer import transfer_tables
from leaderboard.tables.worth import worth_tables


def no_charts(board: Board, task: str) -> Sequence[Chart]:
    """For a part whose curves stand with its runs, or that has none."""
    return ()


def no_galleries(board: Board, task: str) -> Sequence[Gallery]:
    """For a part that shows no samples."""
    return ()


@dataclass(frozen=True)
class Part:
    """What the report says about one kind of result.

    Attributes
    ----------
    title
        Heading.
    tables, charts, galleries
        Of a board and the name of one of its benchmarks; all empty where no run has such results,
        and then the heading is left out too.
    summary
        What it needs of each run beside the cards; None for a part that shows what is there.
    """

    title: str
    tables: Callable[[Board, str], Sequence[Table]]
    charts: Callable[[Board, str], Sequence[Chart]] = no_charts
    galleries: Callable[[Board, str], Sequence[Gallery]] = no_galleries
    summary: Summary | None = None


def _all_controls(board: Board, task: str) -> list[Table]:
    return [*controls_tables(board, task), *fitted_control_tables(board, task)]


PARTS: tuple[Part, ...] = (
    Part("Arena: every signal against the free one", arena_tables),
    Part("Thresholds with a promise", threshold_tables, threshold_charts, summary=THRESHOLDS),
    Part("Samples that failed", failure_tables, summary=FAILED),
    Part("What beats its controls", worth_tables),
    Part("Ranks", rank_tables),
    Part("Controls and leakage", _all_controls),
    Part("Calibration", calibration_tables),
    Part("Selective prediction", selective_tables),
    Part("Prediction sets", prediction_set_tables),
    Part("Fusion", fusion_tables),
    Part("Self-consistency", consistency_tables),
    Part("Attention through the layers", evolution_tables),
    Part("Logit lens", lens_tables),
    Part("Transfer", transfer_tables),
    Part("Robustness", robustness_tables, robustness_figures),
    Part("Grounding", grounding_tables, no_charts, grounding_galleries),
    Part("Cost", cost_tables),
)

# what is computed of each run for them
SUMMARIES = (LISTING, *(part.summary for part in PARTS if part.summary is not None))
