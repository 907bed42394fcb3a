"""Signals of passes that a run has to ask for, by their plain formulas on hand-written channels."""

from __future__ import annotations

import math
from collections.abc import Callable

NAN = math.nan
# channel -> field -> numbers
CHANNELS: dict[str, dict[str, list[float]]] = {
    "token_entropies": {"by_token": [0.4, 0.9, 0.2]},
    "core_hidden": {"entropies": [1.1, 1.3, 0.3]},
    "truth_asked": {"masses": [0.30, 0.10]},
    "truth_asked_with_samples": {"masses": [0.45, 0.05]},
    "confidence_in_turn": {"share": [0.85]},
    "confidence_afterwards": {"share": [0.6]},
    "confidence_of_proposal": {"share": [0.2]},
    # blur, crop, flip (not legal), noise, another image
    "perturbed": {"agrees": [1.0, 0.0, NAN, 1.0, 0.0]},
}


def _mean(channel: str, field: str) -> float:
    values = CHANNELS[channel][field]
    return math.fsum(values) / len(values)


def _first(channel: str, field: str) -> float:
    return CHANNELS[channel][field][0]


def _vauq() -> float:
    h, without = _mean("token_entropies", "by_token"), _mean("core_hidden", "entropies")
    return -(h - 0.5 * (without - h))


def _harmless() -> float:
    tried = [own for own in CHANNELS["perturbed"]["agrees"][:4] if not math.isnan(own)]
    return math.fsum(tried) / len(tried)


ASKED_FOR: dict[str, Callable[[], float]] = {
    "p_true": lambda: _first("truth_asked", "masses"),
    "p_true_share": lambda: 0.30 / (0.30 + 0.10),
    "p_true_with_samples": lambda: _first("truth_asked_with_samples", "masses"),
    "stated_confidence_in_turn": lambda: _first("confidence_in_turn", "share"),
    "stated_confidence": lambda: _first("confidence_afterwards", "share"),
    "self_probing": lambda: _first("confidence_of_proposal", "share"),
    "vauq": _vauq,
    "core_information": lambda: (
        _mean("core_hidden", "entropies") - _mean("token_entropies", "by_token")
    ),
    "perturbation_agreement": _harmless,
    "wrong_image_change": lambda: 1 - CHANNELS["perturbed"]["agrees"][4],
    "perturbation_contrast": lambda: _harmless() - CHANNELS["perturbed"]["agrees"][4],
}
