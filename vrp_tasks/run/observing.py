"""From what an access saw beside an answer to the labelled observation that is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from metrics.record.channels import (
    OUTSIDE,
    PERTURBATIONS,
    NeuronContributions,
    Perturbed,
    ProbeOpinion,
    Samples,
    StateChannel,
    VisionState,
)
from metrics.record.failures import LABEL
from metrics.record.observation import Absent, Observation
from metrics.record.records import SampleRecord
from metrics.signals.recording import record_of
from vrp_tasks.access.base import NO_SAMPLES, Seen
from vrp_tasks.attach.judgement import Judgement
from vrp_tasks.capture.extras import not_asked
from vrp_tasks.faults import ends_run, reason_of
from vrp_tasks.run.storage_plan import StoragePlan
from vrp_tasks.settings.probe_file import SEEN

# what a run may keep of some samples only
_LARGE = StateChannel | VisionState | NeuronContributions


def sample_of(
    judged: Judgement, seen: Seen, never: Mapping[str, Absent], **about: Any
) -> tuple[Observation, SampleRecord]:
    """`observation_of` and its record; without its signals where they cannot be computed.

    ``never`` is what stands beside no answer of the run.
    """
    try:
        observation = observation_of(judged, seen, **about)
        return observation, record_of(observation, shard=None, row=None)
    except Exception as error:
        if ends_run(error):
            raise
        reason = f"the signals cannot be computed ({reason_of(error)})"
    observation = observation_of(judged, Seen.uncaptured(seen.answer, reason, never), **about)
    return observation, record_of(observation, shard=None, row=None)


def observation_of(
    judged: Judgement,
    seen: Seen,
    *,
    prompt: str,
    image: str | None,
    as_scored: Callable[[str], str],
    storage: StoragePlan,
    probe_has_seen: Callable[[], bool],
    marks: Mapping[str, str],
) -> Observation:
    """The observation of an answer.

    Parameters
    ----------
    judged : Judgement
        What the task's own scorer says of the answer.
    seen : Seen
        Of the answer, by the access.
    prompt : str
        The question as lmms-eval built it.
    image : str or None
        Name of the image's small copy in the run folder.
    as_scored : callable
        A sampled answer -> the text that the task's scorer would get.
    storage : StoragePlan
        Which hidden states are kept.
    probe_has_seen : callable
        Whether a given probe was fitted on an image of the document.
    marks : mapping of str to str
        What else is not as it should be, by key of the record's ``missing``.
    """
    task, split, doc_id = judged.place
    channels, absent = dict(seen.channels), dict(seen.absent)
    if ProbeOpinion.name in channels and probe_has_seen():
        del channels[ProbeOpinion.name]
        absent[ProbeOpinion.name] = Absent(SEEN)
    normal = judged.normalize(judged.answer)
    drawn, no_samples = _samples(seen, normal, lambda text: judged.normalize(as_scored(text)))
    if drawn is not None:
        channels[Samples.name] = drawn
    elif no_samples is not None:
        absent[Samples.name] = no_samples
    states = {n: c for n, c in channels.items() if isinstance(c, _LARGE)}
    again, why_not = _perturbed(seen, normal, lambda text: judged.normalize(as_scored(text)))
    if again is not None:
        channels[Perturbed.name] = again
        absent.pop(Perturbed.name, None)  # of a document that was not captured
    elif why_not is not None:
        absent[Perturbed.name] = why_not
    absent |= {own.name: Absent(why, "not offered") for own, why in OUTSIDE.items()}
    kept, reasons = storage.trimmed(task, doc_id, states)
    if judged.reason is not None:
        absent["score"] = Absent(judged.reason)
    if judged.failure is not None:
        absent[LABEL] = Absent(judged.failure)
    absent |= {name: Absent(reason) for name, reason in marks.items()}
    return Observation(
        task=task,
        split=split,
        doc_id=doc_id,
        group=judged.group,
        kind=judged.kind,
        prompt=prompt,
        answer=judged.answer,
        target=judged.target,
        score=judged.score,
        correct=judged.correct,
        normal_answer=normal,
        channels={n: c for n, c in channels.items() if n not in states} | kept,
        absent=absent | reasons,
        image=image,
    )


def _samples(
    seen: Seen, normal: str, normalized: Callable[[str], str]
) -> tuple[Samples | None, Absent | None]:
    """Samples in the benchmark's own form; or why there are none, where that is not said yet."""
    if not seen.samples:
        unsaid = Samples.name not in seen.absent
        return None, Absent(NO_SAMPLES, "not offered") if unsaid else None
    samples = list(seen.samples)
    try:
        return Samples.of(samples, [normalized(sample) for sample in samples], normal), None
    except Exception as error:  # noqa: BLE001 - of the benchmark's code
        return None, Absent(f"the samples cannot be compared ({reason_of(error)})")


def _perturbed(
    seen: Seen, normal: str, normalized: Callable[[str], str]
) -> tuple[Perturbed | None, Absent | None]:
    """Under which changes of the image the answer stayed; or why that is not known."""
    if not seen.perturbed:
        return None, None if Perturbed.name in seen.absent else not_asked("perturb")
    if not normal:
        return None, Absent("the answer is empty")
    agrees = np.full(len(PERTURBATIONS), np.nan, np.float32)
    for name, text in seen.perturbed.items():
        agrees[PERTURBATIONS.index(name)] = normalized(text) == normal
    return Perturbed(agrees), None
