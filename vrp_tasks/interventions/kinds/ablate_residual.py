"""Dimensions of the residual stream after a layer become constant."""

from __future__ import annotations

import torch

from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.kinds.ablations import Ablation, ablation_words
from vrp_tasks.interventions.kinds.base import Group


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
        self,
        clean: CleanPass,
        group: Group,
        state: torch.Tensor,
        units: torch.Tensor,
        fill: torch.Tensor,
    ) -> torch.Tensor:
        """The prompt's states without these dimensions; what is added behind the layer stays."""
        layer, rows = self.start(group.layer) - 1, len(group.variants)
        output = clean.without_added(layer, state, rows)
        output = torch.where(units[:, None], fill[:, None].to(state.dtype), output)
        return clean.with_added(layer, output, rows)
