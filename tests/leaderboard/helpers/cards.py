"""Cards with figures chosen by hand, so that a table's text can be written down in full."""

from __future__ import annotations

from pathlib import Path

from leaderboard.results.aggregate import Board, RunResult, TaskResult
from metrics.card.card import Card, CommonFigures, SignalResult
from metrics.scores.bootstrap import Estimate
from metrics.signals import BY_NAME
from tests.leaderboard.helpers.golden import KINDS, make_manifest, make_records

ONE_CLASS = "one class only: no wrong answer"


def estimate(value: float | None, half: float = 0.05, reason: str | None = None) -> Estimate:
    if value is None:
        return Estimate(value=None, low=None, high=None, stderr=None, reason=reason or ONE_CLASS)
    return Estimate(
        value=value, low=value - half, high=value + half, stderr=half / 2, reason=reason
    )


def signal(name: str, value: float | None, in_kind: float | None = None, **changes) -> SignalResult:
    declared = BY_NAME.get(name)
    fields = {
        "name": name,
        "label": declared.label if declared else name.replace("_", " "),
        "family": declared.family if declared else "control",
        "access": declared.access if declared else "control",
        "auroc": estimate(value),
        "within_kind_auroc": estimate(in_kind),
        "error_average_precision": estimate(None if value is None else value / 2),
        "n": 200,
        "n_groups": 50,
        "n_errors": 60,
        "n_missing": 0,
        "warning": None,
        "invalid": None,
    }
    return SignalResult(**fields | changes)


SIGNALS = (
    signal("spatial_entropy", None, invalid="constant over the run"),
    signal("token_confidence", 0.75, 0.625),
    signal("first_token_margin", 0.7, 0.6),
    signal("self_consistency", 0.9, 0.8, n=190, n_missing=10),
    signal("answer_only", 0.6, None),
)


def common_of(*results: SignalResult) -> CommonFigures:
    """As `evaluate_card` would have it, of results whose samples are all the same."""
    kept = [
        r
        for r in results
        if r.access == "deployable" and r.is_scored and not r.warning and r.auroc.value is not None
    ]
    return CommonFigures(
        n=200,
        names=tuple(r.name for r in kept),
        auroc=tuple(r.auroc for r in kept),
        within_kind_auroc=tuple(r.within_kind_auroc for r in kept),
    )


def make_card(signals: tuple[SignalResult, ...] = SIGNALS) -> Card:
    return Card(
        common=common_of(*signals),
        n=200,
        n_groups=50,
        n_errors=60,
        error_rate=0.3,
        accuracy=estimate(0.7),
        signals=signals,
    )


def make_board(
    *labels: str,
    kinds: tuple[str, ...] = KINDS,
    signals: tuple[SignalResult, ...] = SIGNALS,
    task: str = "shapes",
) -> Board:
    manifest = make_manifest(make_records(4))
    result = TaskResult(task=task, kinds=kinds, card=make_card(signals))
    runs = (RunResult(label, Path("out") / label, manifest, (result,)) for label in labels)
    return Board(tuple(runs))
