"""What ablations share: units of one layer, ranked on other images or random, become constant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import PreTrainedModel

from metrics.record.interventions import InterventionWords
from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.interventions.ablation import Site, ablated_units, n_units
from vrp_tasks.interventions.branches import Answer, branch_answers
from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.kinds.base import Batch, Group, Intervention, Prompt, Targets
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.variants import RANDOM, RANKED, Variant, with_random


def ablation_words(what: str, site: Site) -> InterventionWords:
    """Words of an ablation."""
    choices = {RANKED: "ranked by probe weight", RANDOM: "random"}
    fills = {"zero": "to zero", "mean": "to the mean"}
    return InterventionWords(what, "share of the units", choices, fills, units=site)


class Ablation(Intervention):
    """Units of one kind."""

    site: ClassVar[Site]

    def variants(self, plan: SweepPlan, layer: int | None) -> Iterator[Variant]:
        """Numbers, then shares of the units; ranked ones, and random ones."""
        doses = [(float(n), "count") for n in plan.unit_counts]
        doses += [(float(share), "share") for share in plan.unit_shares]
        for fill, (dose, unit) in product(plan.unit_fills, doses):
            for choice, seed in with_random(plan.seeds, RANKED):
                yield Variant(self.name, choice, fill, layer, dose, unit, seed)

    def check(self, plan: SweepPlan, layer: int, model: PreTrainedModel, family: Family) -> None:
        """No more units than there are."""
        n = n_units(model, family, layer, self.site)
        if max(plan.unit_counts, default=0) > n:
            raise SetupError(
                f"robustness: unit_counts asks for {max(plan.unit_counts)} units, "
                f"layer {layer} has {n} {self.site} units."
            )

    def target(self, batch: Batch, variant: Variant, prompt: Prompt) -> np.ndarray | None:
        """Units, bool (n_units,); None where they could not be ranked, or have no mean."""
        total = n_units(batch.model, batch.family, _layer(variant), self.site)
        return batch.ranking.units(self.site, variant, prompt.doc_id, total)

    def answers(self, batch: Batch, group: Group, targets: Targets) -> list[Answer]:
        """Branch off where the first layer begins that is run again."""
        state = batch.clean.inputs[group.start].repeat_interleave(len(group.variants), dim=0)
        units, fill = self._units(batch, group, targets, state.device)

        def edits(rows: torch.Tensor) -> AbstractContextManager[Any]:
            return ablated_units(
                batch.model,
                batch.family,
                _layer(group.variants[0]),
                self.site,
                units[rows],
                fill=fill[rows],
            )

        state = self.entering(batch.clean, group, state, units, fill)
        return branch_answers(batch.clean, group.start, state, edits, batch.references)

    def entering(
        self,
        clean: CleanPass,
        group: Group,
        state: torch.Tensor,
        units: torch.Tensor,
        fill: torch.Tensor,
    ) -> torch.Tensor:
        """What enters the first layer that is run again; its hooks do the rest."""
        return state

    def _units(
        self, batch: Batch, group: Group, targets: Targets, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bool and float32 (rows, n_units): which units, and what stands there."""
        total = n_units(batch.model, batch.family, _layer(group.variants[0]), self.site)
        nothing = np.zeros(total, dtype=bool)
        pairs = [(prompt, variant) for prompt in batch.prompts for variant in group.variants]
        fill = [
            nothing.astype(np.float32)
            if target is None
            else batch.ranking.fill(self.site, variant, prompt.doc_id, total)
            for (prompt, variant), target in zip(pairs, targets, strict=True)
        ]
        units = np.stack([nothing if target is None else target for target in targets])
        return torch.from_numpy(units).to(device), torch.from_numpy(np.stack(fill)).to(device)


def _layer(variant: Variant) -> int:
    assert variant.layer is not None
    return variant.layer
