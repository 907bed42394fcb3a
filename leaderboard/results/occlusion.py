"""What a model uses: its answers without the annotated region, or without as much elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaderboard.runs.read import Run
from metrics.comparison.differences import Difference
from metrics.record.records import INTERVENTIONS_FILE, OCCLUSION
from metrics.scores.bootstrap import Estimate, mean_estimate
from metrics.scores.paired_differences import paired_mean_difference

CHOICES = ("region", "elsewhere")


@dataclass(frozen=True)
class Blanked:
    """One place blanked.

    Attributes
    ----------
    n
        Samples.
    share
        Mean share of the image that was blanked.
    same
        Answers as before.
    accuracy
        Accuracy less the clean one.
    logprob
        Mean log-probability of the clean answer less the clean one.
    """

    n: int
    share: float
    same: Estimate
    accuracy: Estimate
    logprob: Estimate


@dataclass(frozen=True)
class Occlusion:
    """Region and elsewhere.

    Attributes
    ----------
    places
        One of `CHOICES` -> what blanking it does.
    same, logprob
        Region less elsewhere, on the samples that have both; None without any.
    refused
        What was not blanked and why -> number of samples.
    """

    places: dict[str, Blanked]
    same: Difference | None
    logprob: Difference | None
    refused: dict[str, int]


def occlusion_of(run: Run, task: str) -> Occlusion | None:
    """Evaluate the occlusion rows of a run.

    Parameters
    ----------
    run : Run
        A complete run.
    task : str
        One of its tasks.

    Returns
    -------
    Occlusion or None
        None if nothing was blanked.
    """
    columns = run.columns_of(INTERVENTIONS_FILE, task=task)
    known = {record.doc_id for record in run.of_task(task)}  # a resumed run may have had more
    kept = (columns["intervention"] == OCCLUSION) & np.array(
        [doc in known for doc in columns["doc_id"]], dtype=bool
    )
    if not kept.any():
        return None
    columns = {name: values[kept] for name, values in columns.items()}
    docs = list(dict.fromkeys(columns["doc_id"].tolist()))
    group = dict(zip(columns["doc_id"], columns["group"], strict=True))
    images = np.array([group[doc] for doc in docs])
    place = {doc: index for index, doc in enumerate(docs)}
    sheets = {}
    for choice in CHOICES:
        own = columns["choice"] == choice
        index = np.array([place[doc] for doc in columns["doc_id"][own]], dtype=int)
        sheets[choice] = _sheet({k: v[own] for k, v in columns.items()}, index, len(docs))
    region, elsewhere = (sheets[choice] for choice in CHOICES)
    stated = run.manifest.sweeps.get(task, {}).get("occlusion", {}).get("refused", {})
    return Occlusion(
        places={choice: _blanked(sheet, images) for choice, sheet in sheets.items()},
        same=_difference(region["agrees"], elsewhere["agrees"], images),
        logprob=_difference(region["logprob"], elsewhere["logprob"], images),
        refused={str(reason): int(count) for reason, count in stated.items()},
    )


def _sheet(rows: dict[str, np.ndarray], index: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Quantities per sample, NaN where it has none."""
    found = {}
    for name, values in (
        ("dose", rows["dose"]),
        ("agrees", rows["agrees"]),
        ("accuracy", rows["correct"] - rows["clean_correct"]),
        ("logprob", rows["logprob"] - rows["clean_logprob"]),
    ):
        found[name] = np.full(n, np.nan)
        found[name][index] = values.astype(np.float64)
    return found


def _blanked(sheet: dict[str, np.ndarray], groups: np.ndarray) -> Blanked:
    def mean(name: str) -> Estimate:
        kept = np.isfinite(sheet[name])
        return mean_estimate(sheet[name][kept], groups=groups[kept])

    there = np.isfinite(sheet["dose"])
    share = float(sheet["dose"][there].mean()) if there.any() else 0.0
    return Blanked(int(there.sum()), share, mean("agrees"), mean("accuracy"), mean("logprob"))


def _difference(first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> Difference | None:
    kept = np.isfinite(first) & np.isfinite(second)
    if not kept.any():
        return None
    return paired_mean_difference(first[kept], second[kept], groups=groups[kept])
