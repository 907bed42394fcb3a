"""The samples worth looking at: confident errors, and right answers that were doubted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metrics.records import SampleRecord
from metrics.signals import BY_NAME

N_SHOWN = 10
ORDER = ("token_confidence", "self_consistency", "first_token_probability", "probe")


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
    signals: tuple[tuple[str, float | None, str], ...]


@dataclass(frozen=True)
class Showcase:
    """Samples picked by one signal: errors where it is highest, right answers where lowest."""

    signal: str
    label: str
    confident_errors: tuple[Example, ...]
    doubted_right: tuple[Example, ...]


def pick_samples(records: Sequence[SampleRecord], *, n_shown: int = N_SHOWN) -> Showcase | None:
    """Pick the most confident errors and the most doubted right answers.

    The signal is the first of `ORDER` that some record has. Ties keep the stored order.

    Parameters
    ----------
    records : sequence of SampleRecord
        Of one task.
    n_shown : int, default 10
        At most so many of either.

    Returns
    -------
    Showcase or None
        None when no labelled record has such a signal.
    """
    for name in ORDER:
        scored = [
            (value, record)
            for record in records
            if record.correct is not None and (value := record.signals.get(name)) is not None
        ]
        if scored:
            break
    else:
        return None
    errors = sorted((p for p in scored if p[1].correct == 0), key=lambda p: -p[0])
    right = sorted((p for p in scored if p[1].correct == 1), key=lambda p: p[0])
    return Showcase(
        signal=name,
        label=BY_NAME[name].label,
        confident_errors=tuple(_example(record) for _, record in errors[:n_shown]),
        doubted_right=tuple(_example(record) for _, record in right[:n_shown]),
    )


def _example(record: SampleRecord) -> Example:
    return Example(
        identity=record.identity,
        group=record.group,
        kind=record.kind,
        prompt=record.prompt,
        answer=record.answer,
        target=record.target,
        samples=tuple(Counter(record.samples).most_common()),
        signals=tuple(
            (BY_NAME[name].label, value, record.missing.get(name, ""))
            for name, value in record.signals.items()
            if name in BY_NAME
        ),
    )
