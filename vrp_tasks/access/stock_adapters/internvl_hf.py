"""InternVL: lmms-eval's adapter bounds the number of tiles, whatever the checkpoint says."""

from __future__ import annotations

from typing import Any

from vrp_tasks.access.stock_adapters.base import Uncut


class InternVLHf(Uncut):
    """Its model arguments ``min_patches`` and ``max_patches`` go to the image processor."""

    def processing(self, lm: Any) -> dict[str, Any]:
        """Bounds that are set."""
        found = {name: getattr(lm, name, None) for name in ("min_patches", "max_patches")}
        return {name: bound for name, bound in found.items() if bound is not None}
