"""Pixels of some grid cells are replaced."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import torch
from transformers import PreTrainedModel

from vrp_tasks.families import FAMILIES, Family
from vrp_tasks.interventions.branches import Answer, branch_answers
from vrp_tasks.interventions.kinds.base import Batch, Group, Targets
from vrp_tasks.interventions.kinds.masks import Mask, mask_words
from vrp_tasks.interventions.pixels import replaced_image
from vrp_tasks.interventions.plan import SweepPlan


class MaskPixels(Mask):
    """By the image's mean colour, or by the image out of focus."""

    name = "mask_pixels"
    words = mask_words("pixels replaced", {"mean": "to the mean", "blur": "by blur"})
    does = (
        "pixels of some grid cells become the image's mean colour, or the image under a Gaussian "
        "as wide as a cell"
    )
    chosen = "likewise"
    resumes = False

    def complaint(self, model: PreTrainedModel, family: Family) -> str | None:
        """Pixels of each token must be known as the model gets them."""
        if family.knows_pixels:
            return None
        declared = ", ".join(FAMILIES)
        return (
            "which pixels of what the processor returns a token shows is known of "
            f"{declared} checkpoints only"
        )

    def layers(self, plan: SweepPlan, unit_layers: tuple[int, ...]) -> tuple[int | None, ...]:
        """It acts on the input."""
        return (None,)

    def fills(self, plan: SweepPlan) -> tuple[str, ...]:
        """Those of ``pixel_fills``."""
        return plan.pixel_fills

    def answers(self, batch: Batch, group: Group, targets: Targets) -> list[Answer]:
        """A prefill each, with the edited images."""
        state = batch.clean.embedded(_masked(batch, group, targets), len(group.variants))
        return branch_answers(batch.clean, 0, state, _untouched, batch.references)


def _masked(batch: Batch, group: Group, targets: Targets) -> dict[str, torch.Tensor]:
    """Image inputs in which a row has its prompt's images; one is masked if it is alone."""
    family, config, inputs = batch.family, batch.model.config, batch.inputs
    originals, side = family.images(config, inputs), family.cell_side(config)
    images: list[torch.Tensor] = []
    taken: list[int] = []
    rows, places = iter(targets), iter(range(len(originals)))
    grids = family.grids_of_prompts(config, inputs, inputs["input_ids"])
    for prompt, own in zip(batch.prompts, grids, strict=True):
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
    repeated = {name: inputs[name][taken] for name in family.image_inputs if name != "pixel_values"}
    return {**repeated, "pixel_values": family.pixel_values(config, inputs, images)}


def _untouched(_rows: torch.Tensor) -> AbstractContextManager[Any]:
    return nullcontext()
