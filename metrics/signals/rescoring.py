"""The signals of a stored answer computed anew, from its record and what was seen beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from metrics.record.channels import CHANNELS, OUTSIDE, Channel, Samples
from metrics.record.columns import names_of
from metrics.record.observation import Absent, Observation
from metrics.record.records import SampleRecord
from metrics.signals import BY_NAME, LAYERS
from metrics.signals.recording import IDENTITY, record_of

_NOT_STORED = "this run stored no {channels}, of which the signal is computed"


@dataclass(frozen=True)
class Rescored:
    """A record with its signals computed anew.

    Attributes
    ----------
    record : SampleRecord
        Without the signals that are fitted on labels: they take all answers of a task.
    computed : frozenset of str
        Signals whose channels are stored.
    kept : frozenset of str
        Signals whose channels are not, so that the recorded value stands.
    """

    record: SampleRecord
    computed: frozenset[str]
    kept: frozenset[str]


def needed_channels() -> list[type[Channel]]:
    """Channels in array files that signals and layer vectors of one answer are computed from."""
    needs = [channel for s in BY_NAME.values() if s.compute is not None for channel in s.needs]
    wanted = {*needs, *(vector.needs for vector in LAYERS)}
    return [channel for channel in CHANNELS if channel.kept and channel in wanted]


def observation_of(record: SampleRecord, channels: Mapping[str, Channel]) -> Observation:
    """What was seen of a recorded answer.

    Parameters
    ----------
    record : SampleRecord
        As stored; it has the samples.
    channels : mapping of str to Channel
        Those of its array file. What is neither there nor `missing` counts as not offered.
    """
    there = dict(channels)
    if record.samples:
        there[Samples.name] = Samples.of(
            record.samples, record.normal_samples, record.normal_answer
        )
    absent = {n: Absent(why) for n, why in record.missing.items() if n not in BY_NAME}
    for channel in CHANNELS:
        if channel.name not in there:
            absent.setdefault(channel.name, Absent("not stored", "not offered"))
    return Observation(
        **{name: getattr(record, name) for name in IDENTITY}, channels=there, absent=absent
    )


def rescored(
    record: SampleRecord, channels: Mapping[str, Channel], *, not_offered: Collection[str]
) -> Rescored:
    """Compute the signals of a recorded answer anew, as far as what they need is stored.

    Parameters
    ----------
    record : SampleRecord
        As stored.
    channels : mapping of str to Channel
        Those of `needed_channels` that its array file has.
    not_offered : collection of str
        Signals that the run leaves out; they stay out of a record that lacks them.

    Returns
    -------
    Rescored
    """
    observation = observation_of(record, channels)
    anew = record_of(observation, shard=record.shard, row=record.row)
    single = {name for name, signal in BY_NAME.items() if signal.compute is not None}
    whole = {
        name
        for name in single
        if all(observation.get(channel) is not None for channel in BY_NAME[name].needs)
    }
    recorded = (single - whole) & record.signals.keys()
    left_out = set(not_offered) - record.signals.keys()
    fresh = anew.without_signals(recorded | left_out)
    stands = {name: record.signals[name] for name in record.signals if name in recorded}
    reasons = {name: record.missing[name] for name, value in stands.items() if value is None}
    declared = {vector.name: vector for vector in LAYERS}
    layers = {
        name: values
        for name, values in anew.layers.items()
        if observation.get(declared[name].needs) is not None
    }
    merged = fresh.with_signals(stands, reasons)
    order = dict.fromkeys((*record.signals, *merged.signals))  # of the columns, as it was
    return Rescored(
        replace(
            merged,
            signals={name: merged.signals[name] for name in order if name in merged.signals},
            layers={**record.layers, **layers},
            grid=record.grid,
            n_answer_tokens=record.n_answer_tokens,
        ),
        frozenset(whole & fresh.signals.keys()),
        frozenset(name for name, value in stands.items() if value is not None),
    )


def withheld(records: Sequence[SampleRecord], not_offered: Mapping[str, str]) -> dict[str, str]:
    """Signals declared after a run that its access or settings do not offer, and why.

    A channel is not offered if that is why the run lacks every signal that needs it.

    Parameters
    ----------
    records : sequence of SampleRecord
        Of one task, as stored.
    not_offered : mapping of str to str
        Signal -> why the run leaves it out.
    """
    known = set(names_of(records)) | not_offered.keys()
    reasons: dict[type[Channel], str] = {}
    for channel in CHANNELS:
        needing = [n for n in BY_NAME if n in known and channel in BY_NAME[n].needs]
        if needing and all(name in not_offered for name in needing):
            reasons[channel] = not_offered[needing[0]]
    found = {}
    for name, signal in BY_NAME.items():
        lacking = [channel for channel in signal.needs if channel in reasons]
        if name not in known and lacking:
            found[name] = reasons[lacking[0]]
    return found


def not_stored(
    records: Sequence[SampleRecord],
    left_out: Collection[str],
    *,
    stored: Callable[[type[Channel]], bool],
) -> dict[str, str]:
    """Signals that no record got or can get, since the run stored nothing of them, and why.

    Parameters
    ----------
    records : sequence of SampleRecord
        Of one task, with their signals computed anew.
    left_out : collection of str
        Signals that are not offered for another reason.
    stored : callable
        Whether these records have any of a channel in array files, or as compared by another model.
    """
    known = set(names_of(records)) | set(left_out)
    found = {}
    for name, signal in BY_NAME.items():
        told = signal.compute is None or bool(set(OUTSIDE).intersection(signal.needs))
        absent = [own for own in signal.needs if not (told and stored(own))]
        if name not in known and absent:
            said = _NOT_STORED.format(channels=" and ".join(own.name for own in absent))
            found[name] = next((OUTSIDE[own] for own in absent if own in OUTSIDE), said)
    return found
