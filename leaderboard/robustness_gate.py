"""Has a release become less robust? One figure of two runs, for a gate."""

from __future__ import annotations

from leaderboard.read import Run
from leaderboard.sweep_columns import (
    RANDOM,
    Columns,
    complete_samples,
    families_of,
    labelled,
    response_of,
    rows_of,
)
from metrics.comparison import Difference
from metrics.records import INTERVENTIONS_FILE
from metrics.robustness import robustness_area_difference


def area_change(old: Run, new: Run, task: str) -> Difference | None:
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

    Returns
    -------
    Difference or None
        None unless both runs swept the same doses of it on some common samples.
    """
    both = [labelled(run.columns_of(INTERVENTIONS_FILE, task=task)) for run in (old, new)]
    for intervention in ("ablate_residual", "mask_attention"):
        found = [_headline(columns, intervention) for columns in both]
        if not all(len(columns["doc_id"]) for columns in found):
            continue
        doses = [sorted(set(columns["dose"].tolist())) for columns in found]
        common = [
            doc for doc in complete_samples(found[0]) if doc in set(complete_samples(found[1]))
        ]
        if doses[0] != doses[1] or not common:
            continue
        group = dict(zip(found[0]["doc_id"], found[0]["group"], strict=True))
        before, after = (response_of(columns, common) for columns in found)
        return robustness_area_difference(after, before, groups=[group[doc] for doc in common])
    return None


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
