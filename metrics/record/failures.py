"""Samples that failed, read off their records: what each lacks, and why.

A sample that failed is kept without what it lacks, and counts as neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metrics.record.columns import values_of
from metrics.record.records import SampleRecord

# keys of a record's `missing` by which it failed
ANSWER = "answer"  # the model gave none
LABEL = "label"  # the answer is there, and whoever scores it failed
SIGNALS = "signals"  # the answer is there, and nothing that was seen beside it counts
REGIONS = "regions"  # whoever annotates the picture failed
FAILURES = (ANSWER, LABEL, SIGNALS, REGIONS)

# keys by which it says that it was answered, and not from the whole
PICTURE = "picture"  # the file ends early, so a part of the picture is not there
QUESTION = "question"  # the prompt is longer than what the model was made for
MARKS = (PICTURE, QUESTION)

NO_KIND = "(no kind)"  # of a sample of which the benchmark, which has kinds, states none
_NAMED = 8  # documents of one reason


@dataclass(frozen=True)
class Lacking:
    """Samples that lack the same for the same reason.

    Attributes
    ----------
    lacks : str
        One of `FAILURES`, or of `MARKS`.
    reason : str
        Why.
    n : int
        How many.
    documents : list of str
        The first few of them.
    """

    lacks: str
    reason: str
    n: int
    documents: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def failure_in(missing: Mapping[str, str]) -> tuple[str, str] | None:
    """What a sample lacks that failed, the worst of it, and why; None if it did not fail."""
    return next(((key, missing[key]) for key in FAILURES if key in missing), None)


def lacking(records: Sequence[SampleRecord], keys: Iterable[str] = FAILURES) -> list[Lacking]:
    """Samples that lack one of ``keys``, counted by what and why; the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    columns = (values_of(records, name) for name in ("missing", "doc_id"))
    for missing, doc_id in zip(*columns, strict=True):
        for key in keys:
            if key in missing:
                found.setdefault((key, missing[key]), []).append(doc_id)
                break
    by_number = sorted(found.items(), key=lambda entry: -len(entry[1]))
    return [Lacking(key, reason, len(docs), docs[:_NAMED]) for (key, reason), docs in by_number]
