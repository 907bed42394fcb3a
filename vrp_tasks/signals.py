"""From one captured generation to the signals of a record.

Signals are oriented here, once: higher means more likely correct (names in `metrics.signals`).
Everything that needs the benchmark's answer normalisation is added later, in `vrp_tasks.scoring`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metrics.attention import cluster_count, entropy_by_layer, spatial_entropy
from metrics.errors import UndefinedMetricError
from metrics.generation import mean_entropy, mean_logprob, min_logprob, top2_margin
from vrp_tasks.capture import Captured

_NO_ANSWER = "the answer is empty"
_FLOAT16_MAX = float(np.finfo(np.float16).max)


def capture_payload(captured: Captured) -> dict[str, Any]:
    """Signals, per-layer vectors and reasons of one sample, JSON-ready.

    Keys: ``signals`` (name -> float or None), ``layers`` (name -> list of float or None),
    ``missing`` (name -> reason), ``grid``, ``n_answer_tokens``.
    """
    signals: dict[str, float | None] = {}
    missing: dict[str, str] = {}

    def note(name: str, compute: Callable[[], Any], *, reason: str | None = None) -> None:
        try:
            if reason is not None:
                raise UndefinedMetricError(reason)
            signals[name] = float(compute())
        except UndefinedMetricError as undefined:
            signals[name], missing[name] = None, str(undefined)

    layers: dict[str, list[float] | None] = {
        "image_attention_mass": _as_list(captured.image_mass),
        "spatial_entropy": None,
    }
    no_map = captured.missing.get("attention")
    if captured.maps is None or captured.grid is None:
        missing["layers"] = no_map or "no attention map"
        entropies, mean_map = np.empty(0), np.empty((0, 0))
    else:
        maps = captured.maps.astype(np.float64).reshape(-1, *captured.grid)
        entropies, mean_map = entropy_by_layer(maps), maps.mean(axis=0)
        layers["spatial_entropy"] = _as_list(entropies)
    note("spatial_entropy", lambda: -spatial_entropy(mean_map), reason=no_map)
    note(
        "spatial_entropy_normalized",
        lambda: -spatial_entropy(mean_map, normalize=True),
        reason=no_map,
    )
    note("cluster_count", lambda: -cluster_count(mean_map), reason=no_map)
    note("entropy_evolution", lambda: entropies[0] - entropies[-1], reason=no_map)
    mass = captured.image_mass
    note(
        "image_attention_mass",
        lambda: np.empty(0) if mass is None else mass.mean(),
        reason=no_map if mass is None else None,
    )

    empty = None if captured.tokens else _NO_ANSWER
    note("token_confidence", lambda: mean_logprob(captured.logprobs), reason=empty)
    note("min_token_confidence", lambda: min_logprob(captured.logprobs), reason=empty)
    note("logit_entropy", lambda: -mean_entropy(captured.entropies), reason=empty)
    note("first_token_entropy", lambda: -captured.entropies[0], reason=empty)
    note("first_token_probability", lambda: np.exp(captured.logprobs[0]), reason=empty)
    note("first_token_margin", lambda: top2_margin(captured.first_probabilities), reason=empty)
    return {
        "signals": signals,
        "layers": layers,
        "missing": missing,
        "grid": list(captured.grid) if captured.grid else None,
        "n_answer_tokens": len(captured.tokens),
    }


def capture_arrays(
    captured: Captured, *, hidden_dtype: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays to keep of one sample, named as in `metrics.records.ARRAYS`, and why others are not.

    Parameters
    ----------
    captured : Captured
        One sample.
    hidden_dtype : {"float16", "float32", "none"}
        How hidden states are stored. A state beyond float16's range is left out with a reason
        rather than stored as infinity.
    """
    arrays: dict[str, np.ndarray] = {}
    missing: dict[str, str] = {}
    if captured.maps is not None:
        arrays["map_layers"] = captured.maps.astype(np.float32)
    if hidden_dtype == "none":
        return arrays, {"hidden": "hidden states were not kept (hidden_dtype=none)"}
    if "hidden_answer" in captured.missing:
        missing["hidden_answer"] = captured.missing["hidden_answer"]
    for name, state in captured.hidden.items():
        if not np.isfinite(state).all():
            missing[f"hidden_{name}"] = "the hidden state is not finite"
        elif hidden_dtype == "float16" and np.abs(state).max() > _FLOAT16_MAX:
            missing[f"hidden_{name}"] = "the hidden state exceeds float16: use hidden_dtype=float32"
        else:
            arrays[f"hidden_{name}"] = state.astype(hidden_dtype)
    return arrays, missing


def _as_list(values: np.ndarray | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
