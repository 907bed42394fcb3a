"""A part of a task that stands for the whole: seeded, image-grouped, kind-stratified.

Each question kind gets its share of the samples (largest remainders). Images are taken in an order
that depends on the seed and the image alone, each with all its questions as long as their kinds
have room. So the part is the same on every rank, after a stop, and whatever the rows' order; a
smaller part takes its images from the same order as a larger one.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from metrics.record.failures import NO_KIND
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
    kinds = (
        _values(task, settings["kind"], lambda row: NO_KIND)
        if settings.get("kind")
        else ["all"] * n
    )
    if settings.get("group"):
        return _values(task, settings["group"], _alone), kinds
    logger.info(
        f"{task.config.task}: hashing the images of {n} documents to tell which are the same; "
        "metadata.vrp.group: COLUMN spares that."
    )
    found = (image_hash(task, doc) for doc in task.eval_docs)
    return [digest or _alone(row) for row, digest in enumerate(found)], kinds


def _alone(row: int) -> str:
    """The group of a document of which nobody says what it shares."""
    return f"row {row}"


def _values(task: Any, column: str, otherwise: Callable[[int], str]) -> list[str]:
    docs = task.eval_docs_no_media
    if ":" not in column and column in docs.column_names:
        return [otherwise(row) if v is None else str(v) for row, v in enumerate(docs[column])]
    read = column_reader(column)
    return [_value(read, doc, row, otherwise) for row, doc in enumerate(docs)]


def _value(read: Callable[[Any], Any], doc: Any, row: int, otherwise: Callable[[int], str]) -> str:
    try:
        value = read(doc)
    except Exception:  # noqa: BLE001 - of the user's code; its record will say so
        value = None
    return otherwise(row) if value is None else str(value)
