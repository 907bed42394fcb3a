"""What bypasses share: one half of a layer adds nothing to the residual stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch

from vrp_tasks.interventions.ablation import Half, bypassed
from vrp_tasks.interventions.branches import Answer, branch_answers
from vrp_tasks.interventions.kinds.base import Batch, Group, Intervention, Targets
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.variants import EVERY, Variant


class Bypass(Intervention):
    """One half of a layer; there is one dose, all of it, and so no control."""

    half: ClassVar[Half]

    def variants(self, plan: SweepPlan, layer: int | None) -> Iterator[Variant]:
        """The one dose."""
        yield Variant(self.name, EVERY, "zero", layer, 1.0, "share")

    def answers(self, batch: Batch, group: Group, targets: Targets) -> list[Answer]:
        """Branch off where the layer begins."""
        layer = group.layer
        assert layer is not None

        def edits(_rows: torch.Tensor) -> AbstractContextManager[Any]:
            return bypassed(batch.model, batch.family, layer, self.half)

        state = batch.clean.inputs[group.start].repeat_interleave(len(group.variants), dim=0)
        return branch_answers(batch.clean, group.start, state, edits, batch.references)
