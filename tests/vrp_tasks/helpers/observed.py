"""From a captured generation to its record, as a run makes it, for tests of single captures."""

from metrics.record.channels import OUTSIDE, STATES, Perturbed, ProbeOpinion, Samples
from metrics.record.observation import Absent, Observation
from metrics.signals.recording import record_of as of_observation
from vrp_tasks.capture import CaptureSettings
from vrp_tasks.capture.channels import channels_of
from vrp_tasks.capture.extras import further_of, not_asked


def not_asked_for(captured):
    """Why there is nothing of passes that a run has to ask for."""
    outside = {own.name: Absent("not compared", "not offered") for own in OUTSIDE}
    return {
        **further_of(captured, CaptureSettings())[1],
        Perturbed.name: not_asked("perturb"),
        **outside,
    }


def record_of(captured, *, samples=None, answer="", correct=1):
    """The record of one answer; samples are compared as they are."""
    channels, absent = channels_of(captured)
    absent |= not_asked_for(captured)
    absent |= {c.name: Absent("not asked for", "not offered") for c in (*STATES, ProbeOpinion)}
    if samples is None:
        absent[Samples.name] = Absent("no answers were asked for (k=0)", "not offered")
    else:
        channels[Samples.name] = Samples.of(list(samples), list(samples), answer)
    observation = Observation(
        task="t", split="test", doc_id="0", group="g", kind="all", prompt="?", answer=answer,
        target=None, score=float(correct), correct=correct, normal_answer=answer,
        channels=channels, absent=absent,
    )  # fmt: skip
    return of_observation(observation, shard=None, row=None)
