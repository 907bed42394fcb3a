"""What can be taken away. A new intervention is a file of this room and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vrp_tasks.interventions.kinds.ablate_mlp import AblateMlp
from vrp_tasks.interventions.kinds.ablate_residual import AblateResidual
from vrp_tasks.interventions.kinds.base import Batch, Group, Intervention, Prompt
from vrp_tasks.interventions.kinds.bypass_attention import BypassAttention
from vrp_tasks.interventions.kinds.bypass_mlp import BypassMlp
from vrp_tasks.interventions.kinds.mask_attention import MaskAttention
from vrp_tasks.interventions.kinds.mask_pixels import MaskPixels
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.variants import RANKED

__all__ = [
    "INTERVENTIONS",
    "Batch",
    "Group",
    "Intervention",
    "Prompt",
    "groups_of",
    "rests_on_ranking",
]

# in the order of a sweep
INTERVENTIONS: dict[str, Intervention] = {
    intervention.name: intervention
    for intervention in (
        MaskAttention(),
        MaskPixels(),
        AblateResidual(),
        AblateMlp(),
        BypassMlp(),
        BypassAttention(),
    )
}


def groups_of(plan: SweepPlan, unit_layers: tuple[int, ...]) -> list[Group]:
    """Every variant that a sweep asks for, in groups that can be run as one batch.

    Parameters
    ----------
    plan : SweepPlan
        Checked against the model.
    unit_layers : tuple of int
        Of ablations and bypasses.
    """
    groups = []
    for name in plan.interventions:
        own = INTERVENTIONS[name]
        for layer in own.layers(plan, unit_layers):
            groups.append(Group(own, layer, tuple(own.variants(plan, layer))))
    return [group for group in groups if group.variants]


def rests_on_ranking(row: Mapping[str, Any]) -> bool:
    """Whether a row of the sweep's table would be another if units were ranked on other samples."""
    own = INTERVENTIONS.get(row["intervention"])
    return (
        own is not None
        and own.site is not None
        and (row["choice"] == RANKED or row["fill"] == "mean")
    )
