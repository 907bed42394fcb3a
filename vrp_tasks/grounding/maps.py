"""From what was captured of one sample to its maps, each with a reason where it is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.maps.grounding_maps import boundary_filtered_map

FILTERED = ".filtered"
_LEAST_LEFT = 1e-6  # of a map that sums to 1; below, it is float32 rounding


@dataclass
class GroundingMaps:
    """Maps of one sample, named as in `metrics.record.records.GROUNDING_MAPS`.

    Attributes
    ----------
    maps : dict of str to array, shape (height, width)
        Each sums to 1.
    missing : dict of str to str
        Why another is not there.
    """

    maps: dict[str, np.ndarray] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def lack(self, side: str, reason: str) -> None:
        """Note why a kind of map (``attention.prompt``, …) is missing, plain and filtered."""
        self.missing |= {side: reason, side + FILTERED: reason}

    def add(
        self,
        side: str,
        layers: np.ndarray,
        boundary: np.ndarray | str,
        grid: tuple[int, int],
    ) -> None:
        """Add a map and its filtered form, both means over layers.

        Parameters
        ----------
        side : str
            Name of the plain form.
        layers : float array, shape (n_layers, height * width)
            Non-negative.
        boundary : float array of that shape, or str
            The same of the structural tokens after the image, or why there is none.
        grid : (int, int)
            Height and width.
        """
        mass = layers.sum(axis=1, keepdims=True)
        if not np.isfinite(mass).all():
            self.lack(side, "the map is not finite")
        elif not (mass > 0).all():
            self.lack(side, "a layer's map sums to zero")
        else:
            self.maps[side] = (layers / mass).mean(axis=0).reshape(grid)
            try:
                self.maps[side + FILTERED] = _filtered(layers, boundary).reshape(grid)
            except UndefinedMetricError as undefined:
                self.missing[side + FILTERED] = str(undefined)


def _filtered(layers: np.ndarray, boundary: np.ndarray | str) -> np.ndarray:
    """Mean over layers of what the boundary map leaves, scaled to sum to 1."""
    if isinstance(boundary, str):
        raise UndefinedMetricError(boundary)
    pairs = zip(layers, boundary, strict=True)
    left: np.ndarray = np.mean([boundary_filtered_map(*pair) for pair in pairs], axis=0)
    if not left.sum() > _LEAST_LEFT:
        raise UndefinedMetricError("the boundary markers explain all of the map")
    found: np.ndarray = left / left.sum()
    return found
