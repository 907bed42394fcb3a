"""From a run to the same run with its signals computed anew: no model, no torch, no file written.

What an answer tells alone is computed an array file at a time, what is fitted on labels a task at a
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any

from leaderboard.rescoring.meanings import Meanings, stored_meanings
from leaderboard.rescoring.rephrased import Rephrasings, Source
from leaderboard.runs.read import Run
from leaderboard.runs.record_checks import check_records
from leaderboard.runs.shards import store_of
from metrics.record.channels import Channel
from metrics.record.columns import of_task
from metrics.record.compact import Compact
from metrics.record.records import RunManifest, SampleRecord
from metrics.record.store import ChannelStore
from metrics.second_pass.task import SecondPass, second_pass
from metrics.second_pass.transfer import transfer
from metrics.signals import BY_NAME
from metrics.signals.rescoring import Rescored, needed_channels, not_stored, rescored, withheld

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
) -> tuple[list[SampleRecord], RunManifest]:
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
    list of SampleRecord
        In the order of the run's.
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
    new: dict[str, list[SampleRecord]] = {}
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
    known = {record.identity: record for own in new.values() for record in own}
    records = [known[record.identity] for record in run.records]
    anew = replace(
        manifest,
        invalid=invalid,
        not_offered=left_out,
        probe=probe,
        fits=fits,
        transfer=_transfer(manifest, new, store),
        rescored=_said(run.records, records, count),
    )
    check_records(records, anew)
    return records, anew


def _task(
    task: str,
    records: Sequence[SampleRecord],
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
    anew: dict[int, SampleRecord] = {}
    compact = Compact()
    for place, one in _one_by_one(records, store, sources, left_out):
        count.add(task, one)
        anew[place] = compact(one.record)
        progress(f"{task}, samples", len(anew), len(records))
    single = [anew[place] for place in range(len(records))]
    known = {name for record in records for name in record.signals}

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
    records: Sequence[SampleRecord],
    store: ChannelStore,
    sources: Sequence[Source],
    left_out: Collection[str],
) -> Iterator[tuple[int, Rescored]]:
    """Place of each record, and the record anew; the channels of an array file are read at once."""
    kinds = needed_channels()
    places = sorted(range(len(records)), key=lambda place: records[place].shard or "")
    for _, batch in groupby(places, key=lambda place: records[place].shard):
        own = list(batch)
        channels = store.channels(kinds, [records[place] for place in own])
        for place, seen in zip(own, channels, strict=True):
            record, beside = _with(sources, records[place], seen)
            yield place, rescored(record, seen | beside, not_offered=left_out)


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
    manifest: RunManifest, records: Mapping[str, list[SampleRecord]], store: ChannelStore
) -> dict[str, Any]:
    """Between the tasks between which the run looked; labels and states are what they were."""
    tasks = manifest.transfer.get("tasks", [])
    return transfer(store, {task: records[task] for task in tasks if task in records})


def _said(
    before: Sequence[SampleRecord], after: Sequence[SampleRecord], count: Count
) -> dict[str, Any]:
    """Which signals were computed anew, which are new, and which stand as recorded."""
    for record in after:
        fitted = (n for n, v in record.signals.items() if v is not None and BY_NAME[n].fitted)
        count.recomputed.update(f"{record.task}:{name}" for name in fitted)
    known = {f"{record.task}:{name}" for record in before for name in record.signals}
    added = {name: n for name, n in count.recomputed.items() if name not in known}
    return {
        "recomputed": {n: k for n, k in sorted(count.recomputed.items()) if n in known},
        "added": dict(sorted(added.items())),
        "kept": dict(sorted(count.kept.items())),
    }
