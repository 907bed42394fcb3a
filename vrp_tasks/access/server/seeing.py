"""From what a server, or an engine, answered to what an access saw."""

from __future__ import annotations

from collections.abc import Mapping

from metrics.record.channels import Samples, SampleScores, TokenAlternatives
from metrics.record.observation import Absent
from vrp_tasks.access.base import Seen
from vrp_tasks.access.server.asking import Answered
from vrp_tasks.access.server.replies import alternatives_of, channels_of, sample_scores


def seen_of(answered: Answered, never: Mapping[str, Absent]) -> Seen:
    """An answer with its channels, and why others are not there.

    Parameters
    ----------
    answered : Answered
        With a text.
    never : mapping of str
        Channels that stand beside no answer of the run.
    """
    channels, absent = channels_of(answered.choice)
    tokens = alternatives_of(answered.choice)
    if isinstance(tokens, Absent):
        absent[TokenAlternatives.name] = tokens
    else:
        channels[TokenAlternatives.name] = tokens
    channels |= answered.further.channels
    absent |= {name: Absent(why) for name, why in answered.further.reasons.items()}
    if answered.no_samples is not None:
        absent |= dict.fromkeys((Samples.name, SampleScores.name), Absent(answered.no_samples))
    elif isinstance(scores := sample_scores(answered.samples), Absent):
        absent[SampleScores.name] = scores
    else:
        channels[SampleScores.name] = scores
    return Seen(
        answer=answered.choice.text or "",
        channels={name: own for name, own in channels.items() if name not in never},
        absent={**absent, **never},
        samples=tuple(sample.text or "" for sample in answered.samples),
        prompt=answered.prompt,
    )
