"""Read a finished run as a pandas DataFrame, and score a signal of your own against its errors.

No model, no GPU and no torch: a run folder holds all that was seen of each answer.

    pip install . pandas
    python examples/read_a_run.py out/<model>/<time>_vrp
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pandas as pd

from leaderboard.runs.read import Problem, Run, read_runs
from metrics import Difference, Estimate, auroc_estimate, paired_auroc_difference

OWN, STORED = "signal.lead", "signal.self_consistency"


def table_of(run: Run) -> pd.DataFrame:
    """One row per question; docs/run_folder.md says what each column holds.

    Signals are columns ``signal.<name>``, higher = more likely correct, null where a sample lacks
    one (``missing`` says why). `read_runs` has checked the files against their hashes; without
    that check, ``pandas.read_parquet(folder / "records.parquet")`` is the same table.
    """
    return pd.DataFrame([record.to_row() for record in run.records])


def lead(samples: list[str]) -> float:
    """Your own signal: share of the samples for the commonest answer, less that for the next.

    1 where all agree, 0 where two answers are tied, NaN where the run drew no samples.
    """
    counts = [count for _, count in Counter(samples).most_common(2)]
    if not counts:
        return float("nan")
    return (counts[0] - sum(counts[1:])) / len(samples)


def main() -> None:
    """Score the signal on every task of the runs named on the command line."""
    for run in read_runs([Path(name) for name in sys.argv[1:]]):
        if isinstance(run, Problem):  # unfinished, damaged or not there; the others are read
            print(run)
            continue
        table = table_of(run)
        table[OWN] = table["normal_samples"].map(lead)
        for task, rows in table.groupby("task"):
            print(f"\n{run.model} on {task}: {len(rows)} questions")
            print(rows.groupby("kind")["correct"].agg(["size", "mean"]).round(3).to_string())
            score(rows)


def score(rows: pd.DataFrame) -> None:
    """Print how well the signal tells right answers from wrong ones, and whether it is news."""
    if STORED not in rows:
        print(f"no {STORED}: the run drew no samples, or the model did not vary them")
        return
    rows = rows.dropna(subset=["correct", OWN, STORED])  # no label, or no samples
    # Questions about one image are not independent: intervals are over images, not questions. And
    # kinds of question differ in difficulty, so only answers to questions of one kind are compared.
    images, kinds = rows["group"].tolist(), rows["kind"].tolist()
    own, stored = ((rows["correct"], rows[name]) for name in (OWN, STORED))
    print(f"AUROC of {OWN}:", shown(auroc_estimate(*own, groups=images, kinds=kinds)))
    print(f"AUROC of {STORED}:", shown(auroc_estimate(*stored, groups=images, kinds=kinds)))
    difference = paired_auroc_difference(own, stored, groups=images, kinds=kinds)
    print("difference, paired:", shown(difference.estimate), p_value(difference))


def shown(found: Estimate) -> str:
    """A figure with its interval, or why there is none."""
    if found.value is None:
        return f"undefined: {found.reason}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def p_value(difference: Difference) -> str:
    """The test that there is no difference, where there is one."""
    return "" if difference.p_value is None else f"p = {difference.p_value:.3g}"


if __name__ == "__main__":
    main()
