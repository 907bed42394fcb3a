"""From a run to the same run with its signals computed anew: no model, no torch, no file written.

What an answer tells alone is computed an array file at a time, what is fitted on labels a task at a
time.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.rescoring.meanings import Meanings, stored_meanings
from leaderboard.rescoring.rephrased import Rephrasings, Source
from leaderboard.runs.read import Run
from leaderboard.runs.record_checks import check_records
from leaderboard.runs.shards import store_of
from metrics.record.channels import Channel
from metrics.record.columns import of_task, values_of
from metrics.record.held import HeldRecords
from metrics.record.joined import Joined
from metrics.record.records import RunManifest, SampleRecord
from metrics.record.store import ChannelStore
from metrics.second_pass.task import SecondPass, second_pass
from metrics.second_pass.transfer import transfer
from metrics.signals import BY_NAME
from metrics.signals.rescoring import Rescored, needed_channels, not_stored, rescored, withheld

_AT_ONCE = 1024  # records
# what is done of a task, how much of it, of so much
Progress = Callable[[str, int, int], None]


@dataclass
class Count:
    """Of how many samples each "task:signal" was computed, and of how many it was kept."""

    recomputed: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    def add(self, task: str, one: Rescored) -> None:
        """Count one sample's signals."""
        self.recomputed.update(f"{task}:{name}" for name in one.computed)
        self.kept.update(f"{task}:{name}" for name in one.kept)


def rescore(
    run: Run,
    *,
    progress: Progress,
    meanings: Meanings | None = None,
    rephrasings: Rephrasings | None = None,
) -> tuple[Joined, RunManifest]:
    """Compute every signal of a run anew, from its stored channels.

    Parameters
    ----------
    run : Run
        As read; answers, labels, samples and channels are taken from it as they are.
    progress : callable
        Called as samples, and then what is fitted on labels, are done.
    meanings : Meanings, optional
        What another model says of pairs of answers; by default what the run folder holds of it.
    rephrasings : Rephrasings, optional
        Answers to the same questions in other words.

    Returns
    -------
    Joined
        The records, in the order of the run's.
    RunManifest
        Of the run, with ``invalid``, ``not_offered``, ``probe``, ``fits`` and ``transfer`` made
        anew, and what was recomputed, added and kept under ``rescored``.

    Raises
    ------
    RecordError
        If channels or records break the format.
    """
    manifest, store, count = run.manifest, store_of(run), Count()
    sources: list[Source] = [stored_meanings(run) if meanings is None else meanings]
    sources += [] if rephrasings is None else [rephrasings]
    new: dict[str, HeldRecords] = {}
    invalid: dict[str, str] = {}
    fits: dict[str, dict[str, Any]] = {}
    left_out, probe = dict(manifest.not_offered), dict(manifest.probe)
    for task in manifest.tasks:
        own = run.of_task(task)
        if not own:
            continue
        found, reasons = _task(task, own, manifest, store, sources, count, progress)
        new[task] = found.records
        left_out = {n: why for n, why in left_out.items() if not n.startswith(f"{task}:")}
        left_out |= {f"{task}:{name}": why for name, why in reasons.items()}
        invalid |= {f"{task}:{name}": why for name, why in found.invalid.items()}
        fits |= {f"{task}:{name}": fit for name, fit in found.fits.items()}
        probe[task] = found.probe
    records = Joined(list(new.values()), _order(values_of(run.records, "task"), new))
    anew = replace(
        manifest,
        invalid=invalid,
        not_offered=left_out,
        probe=probe,
        fits=fits,
        transfer=_transfer(manifest, new, store),
        rescored=_said(run, new, count),
    )
    check_records(records, anew)
    return records, anew


def _task(
    task: str,
    records: HeldRecords,
    manifest: RunManifest,
    store: ChannelStore,
    sources: Sequence[Source],
    count: Count,
    progress: Progress,
) -> tuple[SecondPass, dict[str, str]]:
    """The records of a task anew with what is fitted on them; what is not offered beside before."""
    given = {channel for source in sources for channel in source.given}
    left_out = {
        name: why
        for name, why in of_task(manifest.not_offered, task).items()
        if name not in BY_NAME or not given.intersection(BY_NAME[name].needs)
    }
    left_out |= withheld(records, left_out)
    anew, place_of = HeldRecords(), np.empty(len(records), np.int64)
    for place, one in _one_by_one(records, store, sources, left_out):
        count.add(task, one)
        place_of[place] = len(anew)
        anew.append(one.record)
        progress(f"{task}, samples", len(anew), len(records))
    single = anew.take(place_of)
    known = set(records.signal_names())

    def stored(channel: type[Channel]) -> bool:
        return channel in given or store.holds(channel, records)

    left_out |= not_stored(single, known | left_out.keys(), stored=stored)
    found = second_pass(
        store,
        single,
        task=task,
        not_offered=left_out,
        geometry=manifest.geometry,
        with_cluster_grid=bool(manifest.settings.get("cluster_grid")),
        progress=partial(progress, f"{task}, fits on labels"),
    )
    return found, left_out | found.left_out


def _one_by_one(
    records: HeldRecords,
    store: ChannelStore,
    sources: Sequence[Source],
    left_out: Collection[str],
) -> Iterator[tuple[int, Rescored]]:
    """Place of each record, and the record anew; the channels of an array file are read at once."""
    kinds = needed_channels()
    for own in _by_shard(records.values("shard")):
        batch = list(records.take(own))
        for place, old, seen in zip(own, batch, store.channels(kinds, batch), strict=True):
            record, beside = _with(sources, old, seen)
            yield place, rescored(record, seen | beside, not_offered=left_out)


def _by_shard(shards: Sequence[str | None]) -> Iterator[list[int]]:
    """Places of records by their array file, and of those without one some at a time."""
    found: dict[str | None, list[int]] = {}
    for place, shard in enumerate(shards):
        found.setdefault(shard, []).append(place)
    for own in found.values():
        for start in range(0, len(own), _AT_ONCE):
            yield own[start : start + _AT_ONCE]


def _order(tasks: Sequence[str], parts: Mapping[str, HeldRecords]) -> NDArray[np.int64] | None:
    """Which of the records, task by task, stands at each place; None where each does at its own."""
    ends = np.cumsum([0, *map(len, parts.values())])
    following = {task: itertools.count(int(at)) for task, at in zip(parts, ends, strict=False)}
    order = np.fromiter((next(following[task]) for task in tasks), np.int64)
    return None if np.array_equal(order, np.arange(len(order))) else order


def _with(
    sources: Sequence[Source], record: SampleRecord, seen: Mapping[str, Channel]
) -> tuple[SampleRecord, dict[str, Channel]]:
    """A record with what sources say is missing, and the channels that they have of it."""
    beside: dict[str, Channel] = {}
    missing = dict(record.missing)
    for source in sources:
        found, reasons = source.channels_of(record, seen)
        beside |= found
        stale = {channel.name for channel in source.given}
        missing = {n: why for n, why in missing.items() if n not in stale} | reasons
    return replace(record, missing=missing), beside


def _transfer(
    manifest: RunManifest, records: Mapping[str, HeldRecords], store: ChannelStore
) -> dict[str, Any]:
    """Between the tasks between which the run looked; labels and states are what they were."""
    tasks = manifest.transfer.get("tasks", [])
    return transfer(store, {task: records[task] for task in tasks if task in records})


def _said(before: Run, after: Mapping[str, HeldRecords], count: Count) -> dict[str, Any]:
    """Which signals were computed anew, which are new, and which stand as recorded."""
    for task, own in after.items():
        for name in own.signal_names():
            n = int(np.isfinite(own.signal(name)).sum()) if BY_NAME[name].fitted else 0
            count.recomputed.update({f"{task}:{name}": n} if n else {})
    known = {f"{task}:{name}" for task in after for name in before.of_task(task).signal_names()}
    added = {name: n for name, n in count.recomputed.items() if name not in known}
    return {
        "recomputed": {n: k for n, k in sorted(count.recomputed.items()) if n in known},
        "added": dict(sorted(added.items())),
        "kept": dict(sorted(count.kept.items())),
    }
