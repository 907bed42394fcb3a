"""What a sweep measures; the defaults are the papers' doses."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from transformers import PreTrainedModel

from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.interventions.ablation import n_units
from vrp_tasks.interventions.checks import check_cache, check_layer
from vrp_tasks.settings.numbers import is_count, is_share

INTERVENTIONS = (
    "mask_attention",
    "mask_pixels",
    "ablate_residual",
    "ablate_mlp",
    "bypass_mlp",
    "bypass_attention",
)
PAPER = "paper"
ALL = "all"
FEWEST_SEEDS = 3

# Layer and depth at which the companion paper (arXiv 2605.08200) ablates each family.
_PAPER_LAYERS = {"llava": (31, 32), "paligemma": (15, 18), "qwen2_vl": (25, 28)}

PRESETS: dict[str, dict[str, Any]] = {
    PAPER: {},
    "quick": {
        "interventions": ("mask_attention", "ablate_residual", "bypass_mlp"),
        "image_shares": (0.3, 0.7),
        "unit_counts": (),
        "unit_shares": (0.1, 0.3, 0.75),
        "unit_fills": ("zero",),
    },
}


@dataclass(frozen=True)
class SweepSettings:
    """Interventions, doses, layers and controls of a sweep.

    Attributes
    ----------
    interventions : tuple of str
        Of `INTERVENTIONS`.
    layers : tuple of int, or "paper"
        Decoder layers of ablations and bypasses; "paper" is the papers' layer of the family, at the
        same relative depth in models of other sizes.
    mask_layers : tuple of int, or "all"
        "all": attention is blocked in every layer at once; else in one layer at a time.
    image_shares : tuple of float
        Shares of the image tokens that are masked: most attended, least attended and random ones.
    unit_counts, unit_shares : tuple of int, tuple of float
        How many units are ablated: ranked ones and random ones.
    unit_fills, pixel_fills : tuple of str
        "zero" and "mean" (over the training folds); "mean" and "blur" (of the image).
    seeds : int
        Random draws per dose.
    folds : int
        Units are ranked on all folds but one and ablated on that one.
    min_errors : int
        Fewest right and fewest wrong answers in the training folds to rank units on.
    max_samples : int or None
        Measure on about so many samples: whole images, drawn at random. Ranking uses all.
    max_rows : int
        Variants that are run as one batch.
    """

    interventions: tuple[str, ...] = INTERVENTIONS
    layers: tuple[int, ...] | str = PAPER
    mask_layers: tuple[int, ...] | str = ALL
    image_shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 0.7)
    unit_counts: tuple[int, ...] = (1, 5, 10)
    unit_shares: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
    unit_fills: tuple[str, ...] = ("zero", "mean")
    pixel_fills: tuple[str, ...] = ("mean",)
    seeds: int = FEWEST_SEEDS
    folds: int = 5
    min_errors: int = 20
    max_samples: int | None = None
    max_rows: int = 16

    @classmethod
    def of(cls, options: Any) -> SweepSettings:
        """From what stands at ``robustness`` in a task's metadata.

        Parameters
        ----------
        options : True or mapping
            ``doses`` names one of `PRESETS` ("paper" unless given); every other key is a field and
            overrides it.

        Raises
        ------
        SetupError
            For an unknown key or a value that it cannot have.
        """
        given = {} if options is True else options
        if not isinstance(given, Mapping):
            raise SetupError(f"robustness must be true or a mapping of settings, got {given!r}.")
        given = dict(given)
        preset = given.pop("doses", PAPER)
        if not isinstance(preset, str) or preset not in PRESETS:
            raise SetupError(
                f"robustness: doses must be one of {', '.join(PRESETS)}, got {preset!r}. Doses of "
                "your own go under image_shares, unit_shares and unit_counts."
            )
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(str(name), names, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise SetupError(
                    f"robustness: unknown setting {name!r}.{hint} Settings: {', '.join(names)}."
                )
        merged: dict[str, Any] = {**PRESETS[preset], **given}
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in merged.items()
        }
        return cls(**values)

    def __post_init__(self) -> None:
        """Refuse what no model could take."""
        _check_each("interventions", self.interventions, INTERVENTIONS.__contains__, _any_of())
        _check_each("unit_fills", self.unit_fills, ("zero", "mean").__contains__, "zero or mean")
        _check_each("pixel_fills", self.pixel_fills, ("mean", "blur").__contains__, "mean or blur")
        for name in ("image_shares", "unit_shares"):
            _check_each(name, getattr(self, name), is_share, "a number in (0, 1]")
        _check_each("unit_counts", self.unit_counts, lambda v: is_count(v, 1), "an integer >= 1")
        for name, word in (("layers", PAPER), ("mask_layers", ALL)):
            if getattr(self, name) != word:
                legal = f'an integer >= 0 (or "{word}" for all of it)'
                _check_each(name, getattr(self, name), lambda v: is_count(v, 0), legal)
        for name in ("interventions", "layers", "mask_layers"):
            if not len(getattr(self, name)):
                raise SetupError(f"robustness: {name} must not be empty.")
        least = {"seeds": FEWEST_SEEDS, "folds": 2, "min_errors": 1, "max_rows": 1}
        least |= {"max_samples": 1} if self.max_samples is not None else {}
        for name, low in least.items():
            if not is_count(getattr(self, name), low):
                raise SetupError(
                    f"robustness: {name} must be an integer >= {low}, got {getattr(self, name)!r}."
                )

    def unit_layers(self, model: PreTrainedModel, family: Family) -> tuple[int, ...]:
        """Decoder layers of ablations and bypasses on this model."""
        if isinstance(self.layers, tuple):
            return self.layers
        if family.model_type not in _PAPER_LAYERS:
            raise SetupError(
                f"robustness: the papers name no layer for {family.model_type!r} models. "
                "Give layers as a list."
            )
        layer, depth = _PAPER_LAYERS[family.model_type]
        last = len(family.decoder(model).layers) - 1
        return (round(layer / (depth - 1) * last),)

    def check(self, model: PreTrainedModel, family: Family) -> None:
        """Raise SetupError for a layer, unit number or attention window of this model."""
        check_cache(model)
        layers = self.unit_layers(model, family)
        for layer in (*layers, *(() if isinstance(self.mask_layers, str) else self.mask_layers)):
            check_layer(model, family, layer)
        for layer in layers:
            for site in ("residual", "mlp"):
                n = n_units(model, family, layer, site)
                if f"ablate_{site}" in self.interventions and max(self.unit_counts, default=0) > n:
                    raise SetupError(
                        f"robustness: unit_counts asks for {max(self.unit_counts)} units, "
                        f"layer {layer} has {n} {site} units."
                    )


def _any_of() -> str:
    return f"one of {', '.join(INTERVENTIONS)}"


def _check_each(name: str, values: Any, legal: Callable[[Any], bool], words: str) -> None:
    if not isinstance(values, tuple):
        raise SetupError(f"robustness: {name} must be a list, got {values!r}.")
    for value in values:
        if not legal(value):
            raise SetupError(f"robustness: {name} must hold {words}, got {value!r}.")
    if len(set(values)) < len(values):
        raise SetupError(f"robustness: {name} names a value twice: {list(values)}.")
