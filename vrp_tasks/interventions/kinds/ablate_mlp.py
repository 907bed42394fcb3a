"""Intermediate units of a layer's MLP become constant."""

from __future__ import annotations

from transformers import PreTrainedModel

from vrp_tasks.families import Family
from vrp_tasks.interventions.kinds.ablations import Ablation, ablation_words


class AblateMlp(Ablation):
    """What the down projection reads."""

    name, site = "ablate_mlp", "mlp"
    words = ablation_words("MLP units ablated", site)
    does = "intermediate units of a layer's MLP, likewise"
    chosen = "likewise"

    def complaint(self, model: PreTrainedModel, family: Family) -> str | None:
        """Experts have units each, and a token goes to some of them."""
        for index, layer in enumerate(family.decoder(model).layers):
            if not hasattr(getattr(layer, "mlp", None), "down_proj"):
                return f"the MLP of decoder layer {index} has no single down projection"
        return None
