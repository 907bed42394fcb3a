"""The signals that the product makes of one captured answer, for tests that recompute them."""

from __future__ import annotations

import numpy as np

from metrics.record.channels import DETECTOR_CHANNELS, ProbeOpinion, Samples
from metrics.record.observation import Observation
from metrics.signals.recording import record_of as of_observation
from metrics.states.fitted_probe import FittedProbe
from tests.vrp_tasks.helpers.observed import not_asked_for
from tests.vrp_tasks.helpers.plain_signals import KEPT, Probe
from vrp_tasks.capture import Captured
from vrp_tasks.capture.channels import channels_of


def produced(
    captured: Captured, *, answer: str, samples: list[str], probe: Probe, normalize=str.strip
) -> tuple[dict[str, float | None], dict[str, str]]:
    """All captured signals, and the reasons of those that are missing."""
    channels, absent = channels_of(captured)
    absent |= not_asked_for(captured)
    states = captured.hidden["last_prompt"][None]
    loaded = fitted(probe, n_layers_stored=states.shape[1]).probability(states)
    normal = normalize(answer)
    channels[ProbeOpinion.name] = ProbeOpinion(loaded)
    channels[Samples.name] = Samples.of(samples, [normalize(s) for s in samples], normal)
    observation = Observation(
        task="t", split="test", doc_id="0", group="image", kind="all", prompt="?", answer=answer,
        target=None, score=1.0, correct=1, normal_answer=normal, channels=channels, absent=absent,
    )  # fmt: skip
    record = of_observation(observation, shard=None, row=None)
    kept = {*KEPT, *(channel.name for channel in DETECTOR_CHANNELS)}
    return tuple(  # see `test_kept_channels`
        {name: value for name, value in own.items() if name not in kept}
        for own in (record.signals, record.missing)
    )


def fitted(probe: Probe, *, n_layers_stored: int) -> FittedProbe:
    """The product's own form of a probe."""
    numbers = {
        "layer": probe.layer, "n_layers_stored": n_layers_stored, "d_model": len(probe.weight),
        "intercept": probe.intercept, "slope": probe.slope, "offset": probe.offset,
    }  # fmt: skip
    names = ("mean", "inverse_scale", "weight")
    return FittedProbe.from_arrays({n: np.array(getattr(probe, n)) for n in names}, numbers)
