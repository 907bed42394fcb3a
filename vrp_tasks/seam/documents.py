"""Which documents a stock adapter looks at, in its own order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RecordingDocs:
    """Documents that note which of them was looked at, in order."""

    def __init__(self, docs: Any, seen: list[Any]) -> None:
        self._docs, self._seen = docs, seen

    def __getitem__(self, index: Any) -> Any:
        self._seen.append(index)
        return self._docs[index]

    def __len__(self) -> int:
        return len(self._docs)


@contextmanager
def recording_docs(lm: Any, task: str, split: str, seen: list[Any]) -> Iterator[None]:
    """Note in ``seen`` which document of a split the adapter looks at."""
    before = lm.task_dict[task]
    lm.task_dict[task] = {split: RecordingDocs(before[split], seen)}
    try:
        yield
    finally:
        lm.task_dict[task] = before
