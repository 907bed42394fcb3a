"""The variants of a sweep, in groups that can be run as one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from vrp_tasks.interventions.settings import ALL, SweepSettings

RANKED, LEAST, RANDOM, EVERY = "ranked", "least", "random", "all"


@dataclass(frozen=True)
class Variant:
    """One intervention at one dose; names as in `metrics.record.records.TABLES`."""

    intervention: str
    choice: str
    fill: str
    layer: int | None
    dose: float
    unit: str
    seed: int | None = None

    def n_of(self, total: int) -> int:
        """How many of ``total`` units or cells this is; at least one."""
        return max(1, round(self.dose * total)) if self.unit == "share" else int(self.dose)


@dataclass(frozen=True)
class Group:
    """Variants that act in one place, and the decoder layer from which they differ."""

    intervention: str
    layer: int | None
    variants: tuple[Variant, ...]

    @property
    def start(self) -> int:
        """First layer whose input, or own computation, the intervention changes."""
        if self.intervention == "ablate_residual":  # changes what a layer hands on
            return (self.layer or 0) + 1
        return self.layer or 0


def groups_of(settings: SweepSettings, layers: tuple[int, ...]) -> list[Group]:
    """Every variant that the settings ask for.

    Parameters
    ----------
    settings : SweepSettings
        Checked against the model.
    layers : tuple of int
        Of ablations and bypasses.
    """
    groups = []
    for intervention in settings.interventions:
        if intervention == "mask_pixels":
            own = tuple(_masks(settings, intervention, settings.pixel_fills, None))
            groups.append(Group(intervention, None, own))
        elif intervention == "mask_attention":
            places = (None,) if settings.mask_layers == ALL else settings.mask_layers
            for layer in places:
                assert layer is None or isinstance(layer, int)
                own = tuple(_masks(settings, intervention, ("block",), layer))
                groups.append(Group(intervention, layer, own))
        elif intervention.startswith("ablate"):
            for layer in layers:
                groups.append(
                    Group(intervention, layer, tuple(_units(settings, intervention, layer)))
                )
        else:
            for layer in layers:
                one = Variant(intervention, EVERY, "zero", layer, 1.0, "share")
                groups.append(Group(intervention, layer, (one,)))
    return [group for group in groups if group.variants]


def _masks(
    settings: SweepSettings, intervention: str, fills: tuple[str, ...], layer: int | None
) -> Iterator[Variant]:
    for fill, share in product(fills, settings.image_shares):
        for choice, seed in _choices(settings, (RANKED, LEAST)):
            yield Variant(intervention, choice, fill, layer, float(share), "share", seed)


def _units(settings: SweepSettings, intervention: str, layer: int) -> Iterator[Variant]:
    doses = [(float(n), "count") for n in settings.unit_counts]
    doses += [(float(share), "share") for share in settings.unit_shares]
    for fill, (dose, unit) in product(settings.unit_fills, doses):
        for choice, seed in _choices(settings, (RANKED,)):
            yield Variant(intervention, choice, fill, layer, dose, unit, seed)


def _choices(settings: SweepSettings, fixed: tuple[str, ...]) -> list[tuple[str, int | None]]:
    return [(choice, None) for choice in fixed] + [(RANDOM, s) for s in range(settings.seeds)]
