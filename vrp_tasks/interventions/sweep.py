"""All variants of a batch of prompts, branched off one clean pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from vrp_tasks.families import Family
from vrp_tasks.interventions.ablation import ablated_units, bypassed, n_units
from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import Answer, Edits, branch_answers
from vrp_tasks.interventions.clean_pass import CleanPass
from vrp_tasks.interventions.pixels import replaced_image
from vrp_tasks.interventions.ranking import Ranking, choose_cells, place_of
from vrp_tasks.interventions.variants import Group, Variant


@dataclass(frozen=True)
class Prompt:
    """What a sweep needs to know of one prompt.

    ``attended`` is the clean pass's attention to each image token, (S,), or None where there is no
    map; ``grid`` is the map's height and width.
    """

    doc_id: str
    identity: str
    attended: np.ndarray | None
    grid: tuple[int, int] | None


# rows of a batch: one entry per prompt and variant, None where a variant cannot be had
_Targets = list[np.ndarray | None]


class Sweep:
    """Runs groups of variants on batches of prompts.

    Parameters
    ----------
    model, family
        The model, within `capturing_attention`.
    ranking : Ranking
        Of the units.
    max_rows : int
        Most rows of a batch; at least one variant of each prompt is run at once.
    """

    def __init__(
        self, model: PreTrainedModel, family: Family, ranking: Ranking, *, max_rows: int
    ) -> None:
        self.model, self.family, self.ranking, self.max_rows = model, family, ranking, max_rows

    def answers(
        self,
        clean: CleanPass,
        references: list[Answer],
        inputs: dict[str, torch.Tensor],
        prompts: Sequence[Prompt],
        groups: Sequence[Group],
    ) -> Iterator[tuple[int, Variant, Answer]]:
        """Every variant of every prompt that can be had: prompt, variant, answer.

        Parameters
        ----------
        clean, references
            The clean pass and its answers.
        inputs : dict of tensor
            What the processor returned for these prompts.
        prompts : sequence of Prompt
            In batch order.
        groups : sequence of Group
            What to run.
        """
        step = max(1, self.max_rows // len(prompts))
        for group in groups:
            for first in range(0, len(group.variants), step):
                chunk = Group(group.intervention, group.layer, group.variants[first : first + step])
                targets = self._targets(chunk, prompts)
                if all(target is None for target in targets):
                    continue
                found = self._run(clean, references, inputs, prompts, chunk, targets)
                pairs = [(b, v) for b in range(len(prompts)) for v in chunk.variants]
                for (b, variant), target, answer in zip(pairs, targets, found, strict=True):
                    if target is not None:
                        yield b, variant, answer

    def _targets(self, group: Group, prompts: Sequence[Prompt]) -> _Targets:
        """What each row's intervention acts on: image tokens, units, or simply everything."""
        return [self._target(variant, p) for p in prompts for variant in group.variants]

    def _target(self, variant: Variant, prompt: Prompt) -> np.ndarray | None:
        if variant.intervention.startswith("mask"):
            if prompt.attended is None:
                return None
            return choose_cells(variant, prompt.attended, prompt.identity)
        if variant.intervention.startswith("ablate"):
            layer, site = place_of(variant)
            total = n_units(self.model, self.family, layer, site)
            return self.ranking.units(variant, prompt.doc_id, total)
        return np.ones(1, dtype=bool)

    def _run(
        self,
        clean: CleanPass,
        references: list[Answer],
        inputs: dict[str, torch.Tensor],
        prompts: Sequence[Prompt],
        group: Group,
        targets: _Targets,
    ) -> list[Answer]:
        n_variants = len(group.variants)
        if group.intervention == "mask_pixels":
            state = clean.embedded(self._masked(inputs, prompts, group, targets), n_variants)
            return branch_answers(clean, 0, state, _untouched, references)
        state = clean.inputs[group.start].repeat_interleave(n_variants, dim=0)
        if group.intervention == "mask_attention":
            edits = self._blocked(clean, group, targets)
        elif group.intervention.startswith("bypass"):
            edits = self._bypassed(group)
        else:
            units, fill = self._units(prompts, group, targets, state.device)
            edits = self._ablated(group, units, fill)
            if group.intervention == "ablate_residual":  # the layer itself is not run again
                state = torch.where(units[:, None], fill[:, None].to(state.dtype), state)
        return branch_answers(clean, group.start, state, edits, references)

    def _blocked(self, clean: CleanPass, group: Group, targets: _Targets) -> Edits:
        is_image = self.family.image_tokens(self.model.config, clean.input_ids)
        hidden = is_image.repeat_interleave(len(group.variants), dim=0)
        for row, target in enumerate(targets):
            places = hidden[row].nonzero().flatten()
            if target is None:
                hidden[row] = False
            else:
                hidden[row, places] = torch.from_numpy(target).to(hidden.device)
        layers = None if group.layer is None else [group.layer]

        def edits(rows: torch.Tensor) -> AbstractContextManager[Any]:
            return blocked_attention(self.model, self.family, hidden[rows], layers=layers)

        return edits

    def _bypassed(self, group: Group) -> Edits:
        half = group.intervention.removeprefix("bypass_")
        assert group.layer is not None
        layer = group.layer

        def edits(_rows: torch.Tensor) -> AbstractContextManager[Any]:
            return bypassed(self.model, self.family, layer, half)  # type: ignore[arg-type]

        return edits

    def _units(
        self, prompts: Sequence[Prompt], group: Group, targets: _Targets, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bool and float32 (rows, n_units): which units, and what stands there."""
        layer, site = place_of(group.variants[0])
        total = n_units(self.model, self.family, layer, site)
        nothing = np.zeros(total, dtype=bool)
        pairs = [(prompt, variant) for prompt in prompts for variant in group.variants]
        fill = [
            nothing.astype(np.float32)
            if target is None
            else self.ranking.fill(variant, prompt.doc_id, total)
            for (prompt, variant), target in zip(pairs, targets, strict=True)
        ]
        units = np.stack([nothing if target is None else target for target in targets])
        return torch.from_numpy(units).to(device), torch.from_numpy(np.stack(fill)).to(device)

    def _ablated(self, group: Group, units: torch.Tensor, fill: torch.Tensor) -> Edits:
        layer, site = place_of(group.variants[0])

        def edits(rows: torch.Tensor) -> AbstractContextManager[Any]:
            return ablated_units(self.model, self.family, layer, site, units[rows], fill=fill[rows])

        return edits

    def _masked(
        self,
        inputs: dict[str, torch.Tensor],
        prompts: Sequence[Prompt],
        group: Group,
        targets: _Targets,
    ) -> dict[str, torch.Tensor]:
        """Image inputs in which a row has its prompt's images; one is masked if it is alone."""
        config = self.model.config
        originals, side = self.family.images(config, inputs), self.family.cell_side(config)
        images: list[torch.Tensor] = []
        taken: list[int] = []
        rows, places = iter(targets), iter(range(len(originals)))
        grids = self.family.grids_of_prompts(config, inputs, inputs["input_ids"])
        for prompt, own in zip(prompts, grids, strict=True):
            mine = list(islice(places, len(own)))
            for variant in group.variants:
                target, shown = next(rows), [originals[place] for place in mine]
                if target is not None and prompt.grid is not None:
                    cells = torch.from_numpy(target.reshape(prompt.grid))
                    (image,) = shown
                    fill: Any = variant.fill
                    shown = [replaced_image(image, cells, side=side, fill=fill)]
                images += shown
                taken += mine
        repeated = {
            name: inputs[name][taken] for name in self.family.image_inputs if name != "pixel_values"
        }
        return {**repeated, "pixel_values": self.family.pixel_values(config, inputs, images)}


def _untouched(_rows: torch.Tensor) -> AbstractContextManager[Any]:
    return nullcontext()
