"""The signals that the product makes of one captured answer, for tests that recompute them."""

from __future__ import annotations

import json

import numpy as np

from metrics.fitted_probe import FittedProbe
from tests.vrp_tasks.plain_signals import Probe
from vrp_tasks.capture import Captured
from vrp_tasks.scoring import reliability_results
from vrp_tasks.signals import capture_payload


def produced(
    captured: Captured, *, answer: str, samples: list[str], probe: Probe, normalize=str.strip
) -> tuple[dict[str, float | None], dict[str, str]]:
    """All captured signals, and the reasons of those that are missing."""
    payload = {**capture_payload(captured), "samples": samples, "shard": None, "row": None}
    states = captured.hidden["last_prompt"][None]
    loaded = fitted(probe, n_layers_stored=states.shape[1]).probability(states)[0]
    payload["signals"]["loaded_probe"] = float(loaded)
    record = reliability_results(
        [answer, json.dumps(payload)],
        task="t",
        score=lambda _: 1.0,
        normalize=normalize,
        doc_id="0",
        group="image",
        kind="all",
        target=None,
    )["accuracy"]
    return record["signals"], record["missing"]


def fitted(probe: Probe, *, n_layers_stored: int) -> FittedProbe:
    """The product's own form of a probe."""
    numbers = {
        "layer": probe.layer, "n_layers_stored": n_layers_stored, "d_model": len(probe.weight),
        "intercept": probe.intercept, "slope": probe.slope, "offset": probe.offset,
    }  # fmt: skip
    names = ("mean", "inverse_scale", "weight")
    return FittedProbe.from_arrays({n: np.array(getattr(probe, n)) for n in names}, numbers)
