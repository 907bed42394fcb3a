"""Dimensions of the residual stream after a layer become constant."""

from __future__ import annotations

import torch

from vrp_tasks.interventions.kinds.ablations import Ablation, ablation_words


class AblateResidual(Ablation):
    """What a layer hands on."""

    name, site = "ablate_residual", "residual"
    words = ablation_words("residual dimensions ablated", site)
    does = (
        'dimensions of the residual stream after a layer (the papers\' "neurons") become zero, or '
        "their mean"
    )
    chosen = "largest probe weights; random ones"

    def start(self, layer: int | None) -> int:
        """The layer itself is not run again."""
        return (layer or 0) + 1

    def entering(
        self, state: torch.Tensor, units: torch.Tensor, fill: torch.Tensor
    ) -> torch.Tensor:
        """The prompt's states without these dimensions."""
        return torch.where(units[:, None], fill[:, None].to(state.dtype), state)
