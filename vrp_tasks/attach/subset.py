"""A part of a task that stands for the whole: seeded, image-grouped, kind-stratified.

Each question kind gets its share of the samples (largest remainders). Images are taken in an order
that depends on the seed and the image alone, each with all its questions as long as their kinds
have room. So the part is the same on every rank, after a stop, and whatever the rows' order; a
smaller part takes its images from the same order as a larger one.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loguru import logger

from vrp_tasks.attach.groups import image_hash
from vrp_tasks.attach.settings import column_reader, given_keys
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.numbers import is_count


def choose_rows(groups: Sequence[str], kinds: Sequence[str], n: int, *, seed: int = 0) -> list[int]:
    """Row numbers of the part, rising.

    Parameters
    ----------
    groups, kinds : sequence of str
        Image and question kind of each row.
    n : int
        How many rows.
    seed : int
        Another seed, another part.
    """
    if n >= len(groups):
        return list(range(len(groups)))
    room = _shares(Counter(kinds), n)
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    chosen: list[int] = []
    for group in sorted(members, key=lambda name: _place(seed, name)):
        for row in members[group]:
            if room[kinds[row]]:
                room[kinds[row]] -= 1
                chosen.append(row)
        if len(chosen) == n:
            break
    return sorted(chosen)


def _shares(counts: Mapping[str, int], n: int) -> dict[str, int]:
    """``n`` in proportion to the counts, by largest remainders; ties by name."""
    total = sum(counts.values())
    shares = {kind: n * count // total for kind, count in counts.items()}
    by_remainder = sorted(counts, key=lambda kind: (-(n * counts[kind] % total), kind))
    for kind in by_remainder[: n - sum(shares.values())]:
        shares[kind] += 1
    return shares


def _place(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}/{group}".encode()).digest()


def subset_of(task: str, given: Any) -> tuple[int, int] | None:
    """(how many, seed) of a task's setting ``subset``: a number, or a mapping of n and seed."""
    if given is None:
        return None
    wanted = given if isinstance(given, Mapping) else {"n": given}
    n: Any = wanted.get("n")
    seed = wanted.get("seed", 0)
    if not is_count(n, 1) or not is_count(seed, 0) or set(wanted) - {"n", "seed"}:
        raise SetupError(
            f"task {task}: metadata.vrp.subset must be a number, or n and seed, got {given!r}."
        )
    return n, seed


def identities(task: Any) -> tuple[list[str], list[str]]:
    """Group and kind of every document of a task, without decoding images if a column says it."""
    settings = given_keys(task.config.metadata["vrp"])
    n = len(task.eval_docs)
    kinds = _values(task, settings["kind"]) if settings.get("kind") else ["all"] * n
    if settings.get("group"):
        return _values(task, settings["group"]), kinds
    logger.info(
        f"{task.config.task}: hashing the images of {n} documents to tell which are the same; "
        "metadata.vrp.group: COLUMN spares that."
    )
    found = (image_hash(task, doc) for doc in task.eval_docs)
    return [digest or f"row {row}" for row, digest in enumerate(found)], kinds


def _values(task: Any, column: str) -> list[str]:
    docs = task.eval_docs_no_media
    if ":" not in column and column in docs.column_names:
        return [str(value) for value in docs[column]]
    read = column_reader(column)
    return [str(read(doc)) for doc in docs]


class ChosenDocs:
    """Documents of which only some are there: going through them is as fast as it can be.

    Positions stay what they were, so a document keeps its row number.
    """

    def __init__(self, docs: Any, rows: Sequence[int]) -> None:
        self._docs, self._rows = docs, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Any:
        return self._docs[row]

    def __iter__(self) -> Iterator[Any]:
        """Every position up to the last chosen one; None where the document is not chosen."""
        at = 0
        for row in self._rows:
            while at < row:
                yield None
                at += 1
            yield self._docs[row]
            at += 1


def restrict(task: Any, rows: list[int]) -> None:
    """Make a task run on these rows only."""
    own = type(task)

    class Restricted(own):  # type: ignore[misc, valid-type]
        """The task's class, with requests for chosen rows only."""

        _instances: list[Any]

        @property
        def eval_docs(self) -> ChosenDocs:
            return ChosenDocs(super().eval_docs, rows)

        @property
        def eval_docs_no_media(self) -> ChosenDocs:
            return ChosenDocs(super().eval_docs_no_media, rows)

        def fewshot_context(self, doc: Any, *args: Any, **kwargs: Any) -> Any:
            return "" if doc is None else super().fewshot_context(doc, *args, **kwargs)

        def build_all_requests(self, **kwargs: Any) -> None:
            # lmms-eval's cache of requests knows nothing of parts
            super().build_all_requests(**{**kwargs, "cache_requests": False})
            built: list[Any] = self.instances
            self._instances = [i for i in built if i.metadata["doc_id"] in chosen]
            if not self.instances:  # fewer samples than ranks: one to pad with
                self._instances = [_padding(self, rows[0], built[0].metadata)]

    chosen = set(rows)
    Restricted.__name__ = own.__name__
    task.__class__ = Restricted


def _padding(task: Any, row: int, metadata: Mapping[str, Any]) -> Any:
    """A request that only keeps ranks in step, as lmms-eval itself makes them."""
    context = task.fewshot_context(task.eval_docs_no_media[row], 0)
    about = {**metadata, "doc_id": row, "__padding_only__": True}
    return task.construct_requests(doc_id=row, ctx=context, metadata=about)
