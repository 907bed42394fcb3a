"""Headline metrics in lmms-eval's own table: accuracy and AUROC per signal, with standard errors.

lmms-eval calls one function per metric on rank 0, when every rank has answered. All of them read
one card of the run, made when the first asks for it, so table, JSON and leaderboard show the same
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vrp_tasks.attach.results import HEADLINES, METRICS, Item
from vrp_tasks.attach.running import current


def accuracy(items: list[Item]) -> float | None:
    """Mean of ``correct`` over the labelled samples."""
    return current().card(items[0].task).accuracy.value


def accuracy_stderr(items: list[Item]) -> float | None:
    """Standard error of the accuracy, at the effective sample size over images."""
    return current().card(items[0].task).accuracy.stderr


def _auroc(name: str, statistic: str) -> Callable[[list[Item]], float | None]:
    def aggregate(items: list[Item]) -> float | None:
        card = current().card(items[0].task)
        for result in card.signals:
            if result.name == name and result.invalid is None:
                found: float | None = getattr(result.auroc, statistic)
                return found
        return None

    aggregate.__name__ = f"auroc_{name}" + ("_stderr" if statistic == "stderr" else "")
    aggregate.__doc__ = f"{statistic} of the AUROC of ``{name}``; None where undefined."
    return aggregate


for _name in HEADLINES:
    globals()[f"auroc_{_name}"] = _auroc(_name, "value")
    globals()[f"auroc_{_name}_stderr"] = _auroc(_name, "stderr")


def metric_list() -> list[dict[str, Any]]:
    """Entries of a task's ``metric_list``: every headline metric and its standard error."""
    names = [entry for name in METRICS for entry in (name, f"{name}_stderr")]
    return [
        {"metric": name, "aggregation": globals()[name], "higher_is_better": True} for name in names
    ]
