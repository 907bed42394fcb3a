"""A layer's MLP adds nothing."""

from __future__ import annotations

from metrics.record.interventions import InterventionWords
from vrp_tasks.interventions.kinds.bypasses import Bypass


class BypassMlp(Bypass):
    """The second half of a layer."""

    name, half = "bypass_mlp", "mlp"
    words = InterventionWords("MLP bypassed")
    does = "the layer's MLP adds nothing"
