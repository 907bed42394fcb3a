"""Hidden states of stored records, by position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from metrics.record.channels import (
    BlankState,
    LastAnswerState,
    MeanAnswerState,
    PromptState,
    StateChannel,
)
from metrics.record.records import SampleRecord
from metrics.record.store import ChannelStore
from metrics.states.held import Held

PROBE_STATE = "last_prompt"
STATES = {
    PROBE_STATE: PromptState,
    "last_answer": LastAnswerState,
    "mean_answer": MeanAnswerState,
    "blank": BlankState,
}


class StoredStates(Mapping[str, Held]):
    """States by position, each read when it is asked for: only one is in memory at a time."""

    def __init__(self, store: ChannelStore, records: Sequence[SampleRecord]) -> None:
        self._store, self._records = store, records
        self._rows = {
            name: rows
            for name, channel in STATES.items()
            if (rows := store.where(channel, "by_layer", records)).any()
        }

    def __getitem__(self, name: str) -> Held:
        rows = self._rows[name]
        channel: type[StateChannel] = STATES[name]
        hidden = self._store.stacked(channel, "by_layer", self._records)
        assert hidden is not None
        finite = np.array([np.isfinite(own).all() for own in hidden])
        if finite.all():
            return Held(rows, hidden)
        kept = rows.copy()  # a model that computed NaN: as if the state were not there
        kept[rows] = finite
        return Held(kept, hidden[finite])

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
