"""The samples worth looking at: confident errors, and right answers that were doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard.runs.images import HeatMap, Picture, maps_of, pictures_of
from leaderboard.runs.read import Run
from metrics.record.columns import column, signal_columns, values_of
from metrics.record.records import SampleRecord
from metrics.signals import BY_NAME, Access

N_SHOWN = 10
ORDER = ("token_confidence", "self_consistency", "first_token_probability", "probe")


@dataclass(frozen=True)
class SignalValue:
    """One signal of one sample.

    ``rank`` is the share of the task's samples below it, ties counted by half; ``reason`` says why
    there is no value.
    """

    name: str
    label: str
    access: Access
    headline: bool
    value: float | None
    rank: float | None
    reason: str

    @property
    def unit(self) -> str:
        """What the value is in, where it could be taken for a probability: a fitted score."""
        declared = BY_NAME.get(self.name)
        return "log-odds" if declared and declared.fitted and declared.states is None else ""


@dataclass(frozen=True)
class Example:
    """One sample as the report shows it; text is as stored, not yet cleaned."""

    identity: str
    group: str
    kind: str
    prompt: str
    answer: str
    target: str | None
    samples: tuple[tuple[str, int], ...]
    signals: tuple[SignalValue, ...]
    picture: Picture
    heat: HeatMap


@dataclass(frozen=True)
class Showcase:
    """Samples picked by one signal: errors where it is highest, right answers where lowest."""

    signal: str
    label: str
    confident_errors: tuple[Example, ...]
    doubted_right: tuple[Example, ...]

    @property
    def examples(self) -> tuple[Example, ...]:
        """All of them."""
        return self.confident_errors + self.doubted_right


def showcase_of(run: Run, task: str, *, n_shown: int = N_SHOWN) -> Showcase | None:
    """Most confident errors and most doubted right answers of a run, with picture and map.

    Parameters
    ----------
    run : Run
        A complete run.
    task : str
        One of its tasks.
    n_shown : int, default 10
        At most so many of either.

    Returns
    -------
    Showcase or None
        None when no labelled record has a signal of `ORDER`.
    """
    records = run.of_task(task)
    picked = pick_samples(records, n_shown=n_shown)
    if picked is None:
        return None
    signal, errors, right = picked
    chosen = [*errors, *right]
    pictures, maps = pictures_of(run, chosen), maps_of(run, chosen)
    sorted_values = _sorted_values(records)

    def examples(own: Sequence[SampleRecord]) -> tuple[Example, ...]:
        return tuple(
            _example(r, sorted_values, pictures[r.identity], maps[r.identity]) for r in own
        )

    return Showcase(signal, BY_NAME[signal].label, examples(errors), examples(right))


def pick_samples(
    records: Sequence[SampleRecord], *, n_shown: int = N_SHOWN
) -> tuple[str, list[SampleRecord], list[SampleRecord]] | None:
    """Pick by the first signal of `ORDER` that some record has; ties keep the stored order.

    Parameters
    ----------
    records : sequence of SampleRecord
        Of one task.
    n_shown : int, default 10
        At most so many of either.

    Returns
    -------
    (signal, confident errors, doubted right answers) or None
        None when no labelled record has such a signal.
    """
    columns, correct = signal_columns(records), column(values_of(records, "correct"))
    for name in ORDER:
        score = columns.get(name)
        if score is not None and np.isfinite(score[~np.isnan(correct)]).any():
            break
    else:
        return None
    errors, right = (
        _first(own, np.flatnonzero((correct == label) & np.isfinite(score)), n_shown)
        for label, own in ((0, -score), (1, score))
    )
    return name, [records[i] for i in errors], [records[i] for i in right]


def _first(score: np.ndarray, rows: np.ndarray, most: int) -> list[int]:
    """The rows of the smallest scores; ties keep their order."""
    order = np.argsort(score[rows], kind="stable")[:most]
    found: list[int] = rows[order].tolist()
    return found


def _example(
    record: SampleRecord, sorted_values: Mapping[str, np.ndarray], picture: Picture, heat: HeatMap
) -> Example:
    return Example(
        identity=record.identity,
        group=record.group,
        kind=record.kind,
        prompt=record.prompt,
        answer=record.answer,
        target=record.target,
        samples=tuple(Counter(record.samples).most_common()),
        signals=tuple(
            _signal_value(name, value, sorted_values[name], record.missing.get(name, ""))
            for name, value in record.signals.items()
            if name in BY_NAME
        ),
        picture=picture,
        heat=heat,
    )


def _signal_value(name: str, value: float | None, others: np.ndarray, reason: str) -> SignalValue:
    declared = BY_NAME[name]
    rank = None
    if value is not None:
        below, up_to = (np.searchsorted(others, value, side=side) for side in ("left", "right"))
        rank = float(below + up_to) / (2 * len(others))
    return SignalValue(
        name, declared.label, declared.access, declared.headline, value, rank, reason
    )


def _sorted_values(records: Sequence[SampleRecord]) -> dict[str, np.ndarray]:
    columns = signal_columns(records).items()
    return {name: np.sort(column[~np.isnan(column)]) for name, column in columns}
