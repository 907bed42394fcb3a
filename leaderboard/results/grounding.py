"""What one run's maps say: do they lie on the region, and do they tell right from wrong answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.results.occlusion import Occlusion, occlusion_of
from leaderboard.results.overlays import Look, looks_of
from leaderboard.runs.read import Run
from metrics.comparison.differences import Difference
from metrics.errors import RecordError
from metrics.record.records import GROUNDING_FILE, GROUNDING_MAPS
from metrics.scores.bootstrap import Estimate, auroc_estimate, mean_estimate
from metrics.scores.paired_differences import paired_auroc_difference, paired_mean_difference

SCORES = ("pointing", "mass", "peak_iou", "top_iou")
ORACLES = ("pointing", "mass")
BASELINES = ("uniform", "center")
REFERENCE = "attention.answer"  # what every other map is compared with

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Separation:
    """How well a quantity of a map tells right answers from wrong ones.

    Attributes
    ----------
    n, n_errors
        Labelled samples that have it, and the wrong ones among them.
    auroc
        Over all pairs.
    within_kind
        Over pairs within a question kind; None with one kind only.
    gain
        Less that of `REFERENCE` on the same samples, within kinds where there are several; None for
        the reference itself and where nothing can be compared.
    """

    n: int
    n_errors: int
    auroc: Estimate
    within_kind: Estimate | None
    gain: Difference | None


@dataclass(frozen=True)
class MapResult:
    """One kind of map.

    Attributes
    ----------
    name
        As in `metrics.record.records.GROUNDING_MAPS`.
    n
        Samples with map and region.
    scores
        Mean of each of `SCORES`.
    gain
        Mass inside less that of `REFERENCE`, on the samples that have both.
    entropy
        −H_s of the map: needs no region, so it is deployable.
    oracles
        Each of `ORACLES`: needs the region.
    missing
        Reason of null values -> number of samples.
    """

    name: str
    n: int
    scores: dict[str, Estimate]
    gain: Difference | None
    entropy: Separation | None
    oracles: dict[str, Separation]
    missing: dict[str, int]


@dataclass(frozen=True)
class Grounding:
    """One run's maps on one task.

    Attributes
    ----------
    n, n_groups
        Samples and their images.
    n_regions
        Samples with a region on the grid.
    share
        Mean share of the grid inside the region.
    maps
        In declared order, baselines last.
    occlusion
        What blanking the region does; None where nothing was blanked.
    looks
        A few samples with their maps, for people.
    """

    n: int
    n_groups: int
    n_regions: int
    share: Estimate
    maps: tuple[MapResult, ...]
    occlusion: Occlusion | None
    looks: tuple[Look, ...]

    def map(self, name: str) -> MapResult | None:
        """The result of one kind of map."""
        return next((found for found in self.maps if found.name == name), None)


def summarise(run: Run, task: str) -> Grounding | None:
    """Evaluate a run's maps on one task.

    Parameters
    ----------
    run : Run
        A complete run.
    task : str
        One of its tasks.

    Returns
    -------
    Grounding or None
        None if the task has no maps.
    """
    columns = run.columns_of(GROUNDING_FILE, task=task)
    if not len(columns["doc_id"]):
        return None
    sheet = _Sheet(run, task, columns)
    share = sheet.values(BASELINES[0], "region_share")
    kept = np.isfinite(share)
    return Grounding(
        n=len(sheet.docs),
        n_groups=len(set(sheet.groups)),
        n_regions=int(kept.sum()),
        share=sheet.mean(share),
        maps=tuple(_map_result(sheet, name) for name in GROUNDING_MAPS if name in sheet.rows),
        occlusion=occlusion_of(run, task),
        looks=looks_of(run, task, columns),
    )


class _Sheet:
    """Rows of a table by map and sample, with their images."""

    def __init__(self, run: Run, task: str, columns: Columns) -> None:
        self.columns = columns
        kinds = {record.doc_id: record.kind for record in run.of_task(task)}
        self.docs = [doc for doc in dict.fromkeys(columns["doc_id"].tolist()) if doc in kinds]
        place = {doc: index for index, doc in enumerate(self.docs)}
        self.rows: dict[str, np.ndarray] = {}
        for row, (name, doc) in enumerate(zip(columns["map"], columns["doc_id"], strict=True)):
            if doc in place:
                own = self.rows.setdefault(name, np.full(len(self.docs), -1))
                own[place[doc]] = row
        if not self.docs:
            raise RecordError(f"{GROUNDING_FILE} has rows, and none is of a sample of the run.")
        first = next(iter(self.rows.values()))
        self.groups: list[str] = columns["group"][first].tolist()
        self.correct: np.ndarray = columns["correct"][first]
        self.kinds = [kinds[doc] for doc in self.docs]
        self.mixed = len(set(self.kinds)) > 1

    def values(self, name: str, column: str) -> np.ndarray:
        """A column of one map, NaN where a sample has none."""
        rows = self.rows[name]
        found = self.columns[column][rows].astype(np.float64)
        return np.where(rows >= 0, found, np.nan)

    def mean(self, values: np.ndarray) -> Estimate:
        """Over the samples that have it."""
        kept = np.isfinite(values)
        return mean_estimate(values[kept], groups=self._kept(self.groups, kept))

    def mean_gain(self, first: np.ndarray, second: np.ndarray) -> Difference | None:
        """On the samples that have both."""
        kept = np.isfinite(first) & np.isfinite(second)
        if not kept.any():
            return None
        return paired_mean_difference(
            first[kept], second[kept], groups=self._kept(self.groups, kept)
        )

    def separation(self, values: np.ndarray, reference: np.ndarray | None) -> Separation:
        """Of correct from wrong; ``reference`` is what the gain is over."""
        kept = np.isfinite(values) & np.isfinite(self.correct)
        labels, groups = self.correct[kept], self._kept(self.groups, kept)
        within = None
        if self.mixed:
            kinds = self._kept(self.kinds, kept)
            within = auroc_estimate(labels, values[kept], groups=groups, kinds=kinds)
        return Separation(
            n=int(kept.sum()),
            n_errors=int((labels == 0).sum()),
            auroc=auroc_estimate(labels, values[kept], groups=groups),
            within_kind=within,
            gain=None if reference is None else self._auroc_gain(values, reference),
        )

    def _auroc_gain(self, first: np.ndarray, second: np.ndarray) -> Difference | None:
        kept = np.isfinite(first) & np.isfinite(second) & np.isfinite(self.correct)
        if not kept.any():
            return None
        y = self.correct[kept]
        return paired_auroc_difference(
            (y, first[kept]), (y, second[kept]), groups=self._kept(self.groups, kept),
            kinds=self._kept(self.kinds, kept) if self.mixed else None,
        )  # fmt: skip

    @staticmethod
    def _kept(labels: Sequence[str], kept: np.ndarray) -> Sequence[str]:
        return [label for label, there in zip(labels, kept, strict=True) if there]


def _map_result(sheet: _Sheet, name: str) -> MapResult:
    is_reference = name == REFERENCE or REFERENCE not in sheet.rows

    def separation(column: str) -> Separation:
        reference = None if is_reference else sheet.values(REFERENCE, column)
        return sheet.separation(sheet.values(name, column), reference)

    mass = sheet.values(name, "mass")
    gain = None if is_reference else sheet.mean_gain(mass, sheet.values(REFERENCE, "mass"))
    rows = sheet.rows[name]
    reasons = sheet.columns["reason"][rows[rows >= 0]].tolist()
    signals = name not in BASELINES  # a baseline does not depend on the model
    return MapResult(
        name=name,
        n=int(np.isfinite(mass).sum()),
        scores={score: sheet.mean(sheet.values(name, score)) for score in SCORES},
        gain=gain,
        entropy=separation("spatial_entropy") if signals else None,
        oracles={score: separation(score) for score in ORACLES} if signals else {},
        missing=dict(Counter(reason for reason in reasons if reason is not None)),
    )
