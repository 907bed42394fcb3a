"""Has a release become less robust? One figure of two runs, for a gate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from leaderboard.release.tolerances import ROBUSTNESS
from leaderboard.release.verdicts import Change, reason_against
from leaderboard.runs.read import Run
from leaderboard.runs.sweep_columns import (
    RANDOM,
    Columns,
    complete_samples,
    families_of,
    labelled,
    response_of,
    rows_of,
)
from metrics.comparison.differences import Difference
from metrics.comparison.margins import beyond_margin
from metrics.record.records import INTERVENTIONS_FILE
from metrics.robustness.curves import robustness_area_difference
from metrics.robustness.dose_response import DoseResponse
from metrics.scores.bootstrap import Estimate

NO_START = "no answer is right without intervention"


def area_change(old: Run, new: Run, task: str, *, margin: float) -> Change | None:
    """Robustness area of the new run less that of the old, paired by sample; for a release gate.

    The area is of random ablation of residual dimensions (a share of them, set to zero, at the
    first layer swept): it needs no ranking, so it is there whatever the number of errors. Where
    that was not swept it is of random image tokens, attention to them blocked.

    Parameters
    ----------
    old, new : Run
        Complete runs.
    task : str
        In both.
    margin : float
        What the test is beyond.

    Returns
    -------
    Change or None
        With the samples and images that were swept; None unless both runs swept the same doses of
        it on some common samples.
    """
    both = [labelled(run.columns_of(INTERVENTIONS_FILE, task=task)) for run in (old, new)]
    for intervention in ("ablate_residual", "mask_attention"):
        found = [_headline(columns, intervention) for columns in both]
        if not all(len(columns["doc_id"]) for columns in found):
            continue
        doses = [sorted(set(columns["dose"].tolist())) for columns in found]
        complete = set(complete_samples(found[1]))
        common = [doc for doc in complete_samples(found[0]) if doc in complete]
        if doses[0] != doses[1] or not common:
            continue
        group = dict(zip(found[0]["doc_id"], found[0]["group"], strict=True))
        curves = [response_of(columns, common) for columns in found]
        images = [group[doc] for doc in common]
        return change_of_curves(curves[0], curves[1], images, margin=margin)
    return None


def change_of_curves(
    old: DoseResponse, new: DoseResponse, images: Sequence[str], *, margin: float
) -> Change:
    """Area of the new curve less that of the old.

    Parameters
    ----------
    old, new : DoseResponse
        Of the same samples and doses.
    images : sequence, length n_samples
        Image of each sample.
    margin : float
        What the test is beyond.

    Returns
    -------
    Change
    """
    n_groups = len(set(images))
    before, after = (None if math.isnan(a) else a for a in (old.area(), new.area()))
    few = reason_against(ROBUSTNESS, [old.clean, new.clean], n_groups)
    if few is not None or before is None or after is None:
        difference = Difference(Estimate.undefined(few or NO_START), None, None)
        return Change(ROBUSTNESS, before, after, len(images), n_groups, difference)
    difference = robustness_area_difference(new, old, groups=images)
    # an answer that changes altogether moves both means of the ratio by 1 / n
    reach = max((1 + before) / old.clean.mean(), (1 + after) / new.clean.mean())
    tested = beyond_margin(difference, margin=margin, n_groups=n_groups, reach=float(reach))
    return Change(ROBUSTNESS, before, after, len(images), n_groups, tested)


def _headline(columns: Columns, intervention: str) -> Columns:
    if not len(columns["doc_id"]):
        return columns
    keys = [
        key
        for family in families_of(columns)
        for key in family
        if (key.intervention, key.choice, key.unit) == (intervention, RANDOM, "share")
        and key.fill in ("zero", "block")
    ]
    return rows_of(columns, min(keys)) if keys else {n: v[:0] for n, v in columns.items()}
