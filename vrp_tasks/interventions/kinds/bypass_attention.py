"""A layer's attention adds nothing."""

from __future__ import annotations

from metrics.record.interventions import InterventionWords
from vrp_tasks.interventions.kinds.bypasses import Bypass


class BypassAttention(Bypass):
    """The first half of a layer."""

    name, half = "bypass_attention", "attention"
    words = InterventionWords("attention bypassed")
    does = "the layer's attention adds nothing"
