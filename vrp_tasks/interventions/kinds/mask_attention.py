"""Nothing attends to some image tokens any more."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from vrp_tasks.interventions.blocking import blocked_attention
from vrp_tasks.interventions.branches import Answer, branch_answers
from vrp_tasks.interventions.kinds.base import Batch, Group, Prompt, Targets
from vrp_tasks.interventions.kinds.masks import Mask, mask_words
from vrp_tasks.interventions.plan import SweepPlan

_HALF = 0.5 - 1e-9  # rounding may take a little


class MaskAttention(Mask):
    """In every layer, or in one at a time."""

    name = "mask_attention"
    words = mask_words("attention to image tokens blocked")
    does = "nothing attends to some image tokens any more, in every layer or in one layer at a time"
    chosen = "most attended; least attended and random ones"

    def layers(self, plan: SweepPlan, unit_layers: tuple[int, ...]) -> tuple[int | None, ...]:
        """Those of ``mask_layers``."""
        return (None,) if isinstance(plan.mask_layers, str) else plan.mask_layers

    def fills(self, plan: SweepPlan) -> tuple[str, ...]:
        """Blocking puts nothing in their place."""
        return ("block",)

    def answers(self, batch: Batch, group: Group, targets: Targets) -> list[Answer]:
        """Branch off where the first blocked layer begins."""
        clean, n_variants = batch.clean, len(group.variants)
        is_image = batch.family.image_tokens(batch.model.config, clean.input_ids)
        hidden = is_image.repeat_interleave(n_variants, dim=0)
        for row, (target, prompt) in enumerate(
            zip(targets, (p for p in batch.prompts for _ in range(n_variants)), strict=True)
        ):
            places = hidden[row].nonzero().flatten()
            if target is None:
                hidden[row] = False
            else:
                hidden[row, places] = torch.from_numpy(_tokens(target, prompt)).to(hidden.device)
        layers = None if group.layer is None else [group.layer]

        def edits(rows: torch.Tensor) -> AbstractContextManager[Any]:
            return blocked_attention(batch.model, batch.family, hidden[rows], layers=layers)

        state = clean.inputs[group.start].repeat_interleave(n_variants, dim=0)
        return branch_answers(clean, group.start, state, edits, batch.references)


def _tokens(cells: np.ndarray, prompt: Prompt) -> np.ndarray:
    """Image tokens of chosen cells, bool (S,); on a canvas, those at least half in them."""
    if prompt.canvas is None:
        return cells
    found: np.ndarray = prompt.canvas.share_in(cells) >= _HALF
    return found
