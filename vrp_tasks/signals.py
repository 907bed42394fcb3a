"""From one captured generation to the signals of a record.

Signals are oriented here, once: higher means more likely correct (names in `metrics.signals`).
Everything that needs the benchmark's answer normalisation is added later, in `vrp_tasks.scoring`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from metrics.attention import (
    cluster_count,
    connected_component_count,
    entropy_by_layer,
    entropy_evolution,
    spatial_entropy,
)
from metrics.errors import UndefinedMetricError
from metrics.generation import mean_entropy, mean_logprob, min_logprob, top2_margin
from vrp_tasks.capture import Captured

_NO_ANSWER = "the answer is empty"
_FLOAT16_MAX = float(np.finfo(np.float16).max)
_LENS_LAYERS = ("answer_margin", "truth_margin", "margin_from_attention", "margin_from_mlp")


class _Payload:
    """Collects signals and per-layer vectors; what is undefined keeps its reason."""

    def __init__(self) -> None:
        self.signals: dict[str, float | None] = {}
        self.layers: dict[str, list[float] | None] = {}
        self.missing: dict[str, str] = {}

    def note(self, name: str, compute: Callable[[], Any], *, reason: str | None = None) -> None:
        try:
            if reason is not None:
                raise UndefinedMetricError(reason)
            self.signals[name] = float(compute())
        except UndefinedMetricError as undefined:
            self.signals[name], self.missing[name] = None, str(undefined)

    def note_layers(self, name: str, values: np.ndarray | None) -> None:
        self.layers[name] = None if values is None else [float(value) for value in values]


def capture_payload(captured: Captured) -> dict[str, Any]:
    """Signals, per-layer vectors and reasons of one sample, JSON-ready.

    Keys: ``signals`` (name -> float or None), ``layers`` (name -> list of float or None),
    ``missing`` (name -> reason), ``grid``, ``n_answer_tokens``.
    """
    payload = _Payload()
    _attention(payload, captured)
    _confidence(payload, captured)
    _lens(payload, captured)
    return {
        "signals": payload.signals,
        "layers": payload.layers,
        "missing": payload.missing,
        "grid": list(captured.grid) if captured.grid else None,
        "n_answer_tokens": len(captured.tokens),
    }


def _attention(payload: _Payload, captured: Captured) -> None:
    mass, no_map = captured.image_mass, captured.missing.get("attention")
    payload.note_layers("image_attention_mass", mass)
    payload.note_layers("update_norm", captured.extra.get("update_norm"))
    sinks = captured.extra.get("sinks")
    payload.note_layers("sink_count", None if sinks is None else sinks.sum(axis=1))
    if captured.maps is None or captured.grid is None:
        payload.missing["layers"] = no_map = no_map or "no attention map"
        maps, mean_map, entropies = np.empty((0, 0)), np.empty((0, 0)), np.empty(0)
        payload.note_layers("spatial_entropy", None)
    else:
        maps = captured.maps.astype(np.float64)
        mean_map = maps.mean(axis=0).reshape(captured.grid)
        entropies = entropy_by_layer(maps)
        payload.note_layers("spatial_entropy", entropies)

    def note(name: str, compute: Callable[[], Any]) -> None:
        payload.note(name, compute, reason=no_map)

    note("spatial_entropy", lambda: -spatial_entropy(mean_map))
    note("spatial_entropy_normalized", lambda: -spatial_entropy(mean_map, normalize=True))
    note("cluster_count", lambda: -cluster_count(mean_map))
    note("component_count", lambda: -connected_component_count(mean_map))
    note("entropy_evolution", lambda: -entropy_evolution(entropies).total)
    note("final_diffusion", lambda: -entropy_evolution(entropies).final_diffusion)
    note("spatial_entropy_without_sinks", lambda: -spatial_entropy(_without_sinks(maps, sinks)))
    top = captured.extra.get("top_heads_map")
    why = captured.missing.get("lens") or captured.missing.get("top_heads") or no_map
    why = why or ("no head attends to the image" if top is None else None)
    grid_map = np.empty((0, 0)) if why or top is None else top.reshape(captured.grid)
    payload.note("spatial_entropy_top_heads", lambda: -spatial_entropy(grid_map), reason=why)
    payload.note("cluster_count_top_heads", lambda: -cluster_count(grid_map), reason=why)
    payload.note(
        "image_attention_mass",
        lambda: np.empty(0) if mass is None else mass.mean(),
        reason=no_map if mass is None else None,
    )


def _without_sinks(maps: np.ndarray, sinks: np.ndarray | None) -> np.ndarray:
    """Mean map (S,) of layers renormalised over the tokens that are no sinks there."""
    if sinks is None:
        raise UndefinedMetricError("the image tokens' states were not seen")
    kept = np.where(sinks, 0.0, maps)
    mass = kept.sum(axis=1, keepdims=True)
    if not (mass > 0).any():
        raise UndefinedMetricError("every image token is an attention sink")
    mean_map: np.ndarray = (kept[mass[:, 0] > 0] / mass[mass[:, 0] > 0]).mean(axis=0)
    return mean_map


def _confidence(payload: _Payload, captured: Captured) -> None:
    empty = None if captured.tokens else _NO_ANSWER

    def note(name: str, compute: Callable[[], Any]) -> None:
        payload.note(name, compute, reason=empty)

    note("token_confidence", lambda: mean_logprob(captured.logprobs))
    note("min_token_confidence", lambda: min_logprob(captured.logprobs))
    note("logit_entropy", lambda: -mean_entropy(captured.entropies))
    note("first_token_entropy", lambda: -captured.entropies[0])
    note("first_token_probability", lambda: np.exp(captured.logprobs[0]))
    note("first_token_margin", lambda: top2_margin(captured.first_probabilities))


def _lens(payload: _Payload, captured: Captured) -> None:
    for name in _LENS_LAYERS:
        payload.note_layers(name, captured.extra.get(name))
    nothing = np.empty(0)
    reason = captured.missing.get("lens")
    if reason is None and "answer_margin" not in captured.extra:
        reason = "the logit lens was not captured"
    answer = captured.extra.get("answer_margin", nothing)
    payload.note("answer_margin", lambda: answer[-1], reason=reason)
    payload.note("answer_margin_mean", lambda: answer.mean(), reason=reason)
    truth = captured.extra.get("truth_margin", nothing)
    no_truth = reason or captured.missing.get("truth")
    payload.note("truth_margin", lambda: truth[-1], reason=no_truth)
    payload.note("truth_margin_peak", lambda: truth.max(), reason=no_truth)


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
    arrays |= captured.extra.get("arrays", {})
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
