"""All answers of a run laid out: as many runs as there are share the rows that a report holds."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.results.aggregate import RunResult, TaskResult
from leaderboard.results.listing import LISTING, NAMES, Listing, evenly
from leaderboard.tables.text import clean
from metrics.signals import BY_NAME

MOST_ROWS = 6000  # of all runs together: some 0.6 MB


@dataclass(frozen=True)
class ListedRow:
    """One answer; ``right`` is 1, 0 or a dash, ``kind`` a number."""

    number: int
    doc_id: str
    prompt: str
    answer: str
    target: str
    right: str
    kind: int
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class ListingView:
    """The list of one run."""

    label: str
    n: int
    kinds: tuple[str, ...]
    signals: tuple[str, ...]
    rows: tuple[ListedRow, ...]

    @property
    def text(self) -> str:
        """Kinds, then a line an answer, between tabs: a browser makes the table of it."""
        return "\n".join("\t".join(line) for line in (self.kinds, *map(_line, self.rows)))


def _line(row: ListedRow) -> tuple[str, ...]:
    values = ("" if value is None else f"{value:.6g}" for value in row.values)
    texts = (row.doc_id, row.prompt, row.answer, row.target)
    plain = (" ".join(text.split()) for text in texts)
    return (str(row.number), *plain, row.right, str(row.kind), *values)


def listing_of(run: RunResult, result: TaskResult, n_lists: int) -> ListingView | None:
    """Lay out one run's answers.

    Parameters
    ----------
    run, result
        The run and its result on a benchmark.
    n_lists : int
        Lists that share the report.

    Returns
    -------
    ListingView or None
        None where the run has no list.
    """
    found: Listing | None = result.further.get(LISTING.key)
    if found is None:
        return None
    most = max(1, MOST_ROWS // max(n_lists, 1))
    chosen = [(i, found.answers[i]) for i in evenly(len(found.answers), most)]
    shown = [i for i in range(len(NAMES)) if any(own.values[i] is not None for _, own in chosen)]
    kinds = list(dict.fromkeys(own.kind for _, own in chosen))
    rows = tuple(
        ListedRow(
            number,
            clean(own.doc_id, limit=20),
            clean(own.prompt, limit=200),
            clean(own.answer, limit=80),
            "" if own.target is None else clean(own.target, limit=80),
            "-" if own.correct is None else str(own.correct),
            kinds.index(own.kind),
            tuple(own.values[i] for i in shown),
        )
        for number, own in chosen
    )
    labels = tuple(BY_NAME[NAMES[i]].label for i in shown)
    named = tuple(clean(kind, limit=40) for kind in kinds)
    return ListingView(clean(run.label, limit=60), found.n, named, labels, rows)
