"""Results for machines: long CSV and nested JSON. Values are not rounded, text is not escaped."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from leaderboard.report.export_arena import arena_as_json, arena_rows
from leaderboard.results.aggregate import Board, RunResult, TaskResult
from leaderboard.results.listing import LISTING
from leaderboard.results.published import FIGURES, MODELS, POOLED, SOURCE
from leaderboard.results.screen import worth_of
from metrics.card.card import ConsistencyCard, Contrast, SignalResult
from metrics.card.fitted_interval import SHUFFLED
from metrics.card.statistics import STATISTICS
from metrics.scores.bootstrap import Estimate

FORMAT_VERSION = 1
CSV_COLUMNS = (
    "run", "model", "task", "signal", "statistic", "value", "low", "high", "stderr",
    "n", "n_groups", "n_errors", "reason", "note", "p_value", "p_adjusted", "copy_of",
)  # fmt: skip
CALIBRATION = ("brier", "brier_skill", "ece", "ece_equal_mass")
BARE = {"ece_plug_in": "reason", "ece_floor": "reason", "p_value": "p_reason"}  # no interval


def to_csv(board: Board) -> str:
    """One row per run, task, signal and statistic; empty cells are missing values.

    Parameters
    ----------
    board : Board
        All results.

    Returns
    -------
    str
        Columns `CSV_COLUMNS`. Numbers have all their digits. ``reason`` says why there is no
        value, ``note`` why an interval must not be taken at its width. A signal that the validity
        gate rejected has no value and the reason "INVALID: …". ``rank`` has only ``low`` and
        ``high``. A fusion is the signal ``fusion.<name>``; statistics of a calibrated
        probability are ``<method>.brier``, ``<method>.ece`` (debiased) and so on, of its signal.
        ``p_value`` stands with the AUROC that decides (within kinds where they are mixed);
        ``p_adjusted`` is Benjamini-Hochberg over the run, and empty for a copy, which is no test of
        its own.
        ``<AUROC>_less_<baseline>`` is the paired difference to a control or to token confidence,
        Holm over the signals. ``beats_controls`` has the verdict as its reason, and so has
        ``against_free``, Holm over the detectors and models of a benchmark. Rows without a run are
        over all benchmarks and models.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in board.runs:
        for result in run.tasks:
            writer.writerows(_rows(run, result))
    writer.writerows(arena_rows(board))
    return text.getvalue()


def to_json(board: Board, *, published: bool = False) -> str:
    """Every run with its manifest and cards, and the folders that were not read.

    Parameters
    ----------
    board : Board
        All results.
    published : bool, default False
        Add the published figures.

    Returns
    -------
    str
        JSON without NaN: a missing value is null, its reason stands beside it.
    """
    data: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "runs": [_run_as_json(run) for run in board.runs],
        "arena": arena_as_json(board),
        "problems": [
            {"path": str(p.path), "status": p.status, "reason": p.reason} for p in board.problems
        ],
    }
    if published:
        data["published"] = {
            "source": SOURCE,
            "pooled": POOLED,
            "figures": [
                {"quantity": f.quantity, **dict(zip(MODELS, f.values, strict=True))}
                for f in FIGURES
            ],
        }
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _rows(run: RunResult, result: TaskResult) -> Iterator[dict[str, Any]]:
    card = result.card
    head = {"run": run.label, "model": run.manifest.model["name"], "task": result.task}
    whole = {"n": card.n, "n_groups": card.n_groups, "n_errors": card.n_errors}
    yield head | whole | {"signal": "", "statistic": "accuracy"} | _numbers(card.accuracy)
    for signal in card.signals:
        yield from _tested(_signal_rows(head, signal, signal.name), run, result, signal)
        rank = result.ranking.rank_of(signal.name) if result.ranking is not None else None
        if rank is not None:
            bounds = {"low": repr(rank.low), "high": repr(rank.high)}
            yield head | whole | {"signal": signal.name, "statistic": "rank"} | bounds
    for fusion in card.fusion:
        yield from _signal_rows(head, fusion.result, f"fusion.{fusion.name}")
    for contrast in card.contrasts:
        yield from _contrast_rows(head, run, result, contrast)
    yield from _verdict_rows(head, run, result)
    for found in card.probabilities:
        for name in CALIBRATION:
            row = {"signal": found.name, "statistic": f"{found.method}.{name}", "n": found.n}
            yield head | row | _numbers(getattr(found, name))
        for name, why in BARE.items():
            row = {"signal": found.name, "statistic": f"{found.method}.{name}", "n": found.n}
            yield head | row | _bare(getattr(found, name), getattr(found, why))
    yield from _consistency_rows(head, card.consistency)


def _signal_rows(head: dict[str, Any], signal: SignalResult, name: str) -> Iterator[dict[str, Any]]:
    counts = {"n": signal.n, "n_groups": signal.n_groups, "n_errors": signal.n_errors}
    for key in (*(statistic.key for statistic in STATISTICS), SHUFFLED):
        figure = signal.figure(key)
        if figure is not None:
            row = head | counts | {"signal": name, "statistic": key}
            yield row | _statistic(signal, figure)


def _tested(
    rows: Iterator[dict[str, Any]], run: RunResult, result: TaskResult, signal: SignalResult
) -> Iterator[dict[str, Any]]:
    """The rows of a signal, with its test beside the AUROC that decides."""
    adjusted = run.screen.signals.get((result.task, signal.name))
    for row in rows:
        decides = row["statistic"] == ("within_kind_auroc" if result.is_mixed else "auroc")
        shown = _p_values(signal.p_value, adjusted) if decides else {}
        yield row | shown | {"copy_of": signal.copy_of or ""}


def _contrast_rows(
    head: dict[str, Any], run: RunResult, result: TaskResult, contrast: Contrast
) -> Iterator[dict[str, Any]]:
    key = (result.task, contrast.signal, contrast.baseline)
    name = _name_in_csv(result, contrast.signal)
    counts = {"n": contrast.n, "n_groups": contrast.n_groups, "n_errors": contrast.n_errors}
    found = {"auroc": contrast.difference, "within_kind_auroc": contrast.within_kind}
    for figure, difference in found.items():
        if difference is None:
            continue
        row = {"signal": name, "statistic": f"{figure}_less_{contrast.baseline}"}
        shown = head | counts | row | _numbers(difference.estimate)
        if difference is contrast.decisive:
            shown |= _p_values(contrast.p_value, run.screen.contrasts.get(key))
        shown["reason"] = shown["reason"] or contrast.no_verdict or ""
        yield shown


def _verdict_rows(
    head: dict[str, Any], run: RunResult, result: TaskResult
) -> Iterator[dict[str, Any]]:
    for signal in dict.fromkeys(contrast.signal for contrast in result.card.contrasts):
        own = [contrast for contrast in result.card.contrasts if contrast.signal == signal]
        worth = worth_of(result.task, own, run.screen)
        if worth is not None and worth.p_value is not None:
            row = {"signal": _name_in_csv(result, signal), "statistic": "beats_controls"}
            p_values = _p_values(None, worth.p_value)
            yield head | row | {"reason": worth.verdict} | p_values


def _name_in_csv(result: TaskResult, name: str) -> str:
    return f"fusion.{name}" if any(f.name == name for f in result.card.fusion) else name


def _p_values(p_value: float | None, adjusted: float | None) -> dict[str, str]:
    found = {"p_value": p_value, "p_adjusted": adjusted}
    return {name: "" if p is None else repr(float(p)) for name, p in found.items()}


def _consistency_rows(
    head: dict[str, Any], card: ConsistencyCard | None
) -> Iterator[dict[str, Any]]:
    if card is None:
        return
    head = head | {"signal": "self_consistency"}
    for k, estimate in card.at_k:
        yield head | {"statistic": f"auroc_at_{k}"} | _numbers(estimate)
    row = {"statistic": "precision_at_full", "n": card.n_full}
    yield head | row | _numbers(card.precision_at_full)


def _statistic(signal: SignalResult, figure: Estimate) -> dict[str, Any]:
    numbers = _numbers(figure)
    if signal.invalid is not None:
        return dict.fromkeys(numbers, "") | {"reason": f"INVALID: {signal.invalid}"}
    return numbers


def _bare(value: float | None, reason: str | None) -> dict[str, str]:
    return {"value": "" if value is None else repr(value), "reason": reason or ""}


def _numbers(estimate: Estimate) -> dict[str, Any]:
    values = {name: getattr(estimate, name) for name in ("value", "low", "high", "stderr")}
    shown = {name: "" if value is None else repr(float(value)) for name, value in values.items()}
    return shown | {"reason": estimate.reason or "", "note": estimate.note or ""}


def _run_as_json(run: RunResult) -> dict[str, Any]:
    return {
        "run": run.label,
        "path": str(run.path),
        "manifest": run.manifest.to_json(),
        "tasks": {
            result.task: {
                "kinds": result.kinds,
                "card": _plain(result.card),
                "adjusted": _adjusted(run, result.task),
                "robustness": _plain(result.robustness),
                "grounding": _plain(result.grounding and replace(result.grounding, looks=())),
                **_plain({k: v for k, v in result.further.items() if k != LISTING.key}),
            }
            for result in run.tasks
        },
    }


def _adjusted(run: RunResult, task: str) -> dict[str, Any]:
    """Adjusted p-values of one benchmark: of each signal, and of each contrast."""
    screen = run.screen
    by_signal = {"signals": screen.signals, "beats": screen.beats, "behind": screen.behind}
    return {
        **{
            kind: {name: p for (own, name), p in found.items() if own == task}
            for kind, found in by_signal.items()
        },
        "contrasts": [
            {"signal": signal, "baseline": baseline, "p_adjusted": p}
            for (own, signal, baseline), p in screen.contrasts.items()
            if own == task
        ],
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 -- any field of a card
    """Dataclasses, tuples, paths and numpy scalars as JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        found = {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        return found | found.pop("further", {})  # statistics stand side by side
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else value
