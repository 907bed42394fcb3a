"""Intermediate units of a layer's MLP become constant."""

from __future__ import annotations

from vrp_tasks.interventions.kinds.ablations import Ablation, ablation_words


class AblateMlp(Ablation):
    """What the down projection reads."""

    name, site = "ablate_mlp", "mlp"
    words = ablation_words("MLP units ablated", site)
    does = "intermediate units of a layer's MLP, likewise"
    chosen = "likewise"
