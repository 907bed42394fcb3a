"""From records to a card: the one way, so that a run's own table and every reader agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metrics.card.card import Card, evaluate_card
from metrics.core.seeds import rng_for
from metrics.core.steps import Progress
from metrics.fitting.fit_spread import FitSpread
from metrics.record.columns import column, signal_columns, values_of
from metrics.record.records import SampleRecord
from metrics.signals import SIGNALS

# What is a probability as it stands. Logarithms of one are not shown beside it: of answers of one
# token, token confidence is that of first_token_probability.
STATED = tuple(signal.name for signal in SIGNALS if signal.states in ("probability", "share"))


def card_of_records(
    records: Sequence[SampleRecord],
    *,
    invalid: Mapping[str, str],
    not_offered: Mapping[str, str] | None = None,
    fits: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress = lambda done, of: None,
) -> Card:
    """Score every signal of one task's records, with controls, fusion and calibration.

    Answers and samples are compared in the benchmark's own form, as the records keep it; where the
    signal self_consistency differs, ``consistency.n_differ`` of the card counts the questions on
    which it does. Stated probabilities are those of `STATED`.

    Higher is better for every statistic of the card. Range: that of each statistic.

    Parameters
    ----------
    records : sequence of SampleRecord
        All of one task, in the order in which they are stored.
    invalid : mapping of str to str
        Signal -> why the validity gate rejected it.
    not_offered : mapping of str to str, optional
        Signal -> which setting of the run left it out.
    fits : mapping of str to mapping, optional
        Signal -> `FitSpread` as plain numbers, of `RunManifest.fits`.
    progress : callable, optional
        Told how many steps of how many are done: of 200,000 records they take minutes.

    Returns
    -------
    Card
        The same for the same records, whoever asks: the generator is seeded by the task's name.

    Raises
    ------
    ValueError
        If ``records`` is empty.

    References
    ----------
    Method §7 (ours).
    """
    if not records:
        raise ValueError("card_of_records: `records` must not be empty.")
    signals = signal_columns(records)
    return evaluate_card(
        correct=column(values_of(records, "correct")),
        groups=values_of(records, "group"),
        kinds=values_of(records, "kind"),
        signals=signals,
        invalid=dict(invalid),
        not_offered=not_offered,
        fits={name: FitSpread.from_json(found) for name, found in (fits or {}).items()},
        answers=values_of(records, "normal_answer"),
        prompts=values_of(records, "prompt"),
        n_tokens=values_of(records, "n_answer_tokens"),
        samples=values_of(records, "normal_samples"),
        probabilities={n: np.clip(signals[n], 0, 1) for n in STATED if n in signals},  # rounding
        rng=rng_for(records[0].task),
        progress=progress,
    )
