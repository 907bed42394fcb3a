"""What masks share: a share of the image tokens, the most attended, the least, or random ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np

from metrics.record.interventions import InterventionWords
from vrp_tasks.interventions.kinds.base import Batch, Intervention, Prompt
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.ranking import choose_cells
from vrp_tasks.interventions.variants import LEAST, RANDOM, RANKED, Variant, with_random


def mask_words(what: str, fills: Mapping[str, str] | None = None) -> InterventionWords:
    """Words of a mask."""
    choices = {RANKED: "most attended", LEAST: "least attended", RANDOM: "random"}
    return InterventionWords(what, "share of the image tokens", choices, fills or {})


class Mask(Intervention):
    """Some image tokens, or their pixels, are hidden."""

    @abstractmethod
    def fills(self, plan: SweepPlan) -> tuple[str, ...]:
        """What may stand in their place."""

    def variants(self, plan: SweepPlan, layer: int | None) -> Iterator[Variant]:
        """Growing shares; the most and least attended tokens, and random ones."""
        for fill, share in product(self.fills(plan), plan.image_shares):
            for choice, seed in with_random(plan.seeds, RANKED, LEAST):
                yield Variant(self.name, choice, fill, layer, float(share), "share", seed)

    def target(self, batch: Batch, variant: Variant, prompt: Prompt) -> np.ndarray | None:
        """Image tokens, bool (S,); None without a map."""
        if prompt.attended is None:
            return None
        return choose_cells(variant, prompt.attended, prompt.identity)
