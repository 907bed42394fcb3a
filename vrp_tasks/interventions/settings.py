"""What a sweep measures; the defaults are the papers' doses."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from transformers import PreTrainedModel

from vrp_tasks.errors import SetupError
from vrp_tasks.families import Family
from vrp_tasks.interventions.checks import check_cache, check_layer
from vrp_tasks.interventions.kinds import INTERVENTIONS
from vrp_tasks.interventions.plan import ALL, FEWEST_SEEDS, PAPER, SweepPlan
from vrp_tasks.settings.numbers import is_count, is_share

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

# of the papers' layers of the three families: 31 of 0 … 31, 15 of 0 … 17, 25 of 0 … 27
_USUAL_DEPTH = (31 / 31 + 15 / 17 + 25 / 27) / 3


@dataclass(frozen=True)
class SweepSettings(SweepPlan):
    """A `SweepPlan` that can be carried out; all interventions by default."""

    interventions: tuple[str, ...] = tuple(INTERVENTIONS)

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
        known = f"one of {', '.join(INTERVENTIONS)}"
        _check_each("interventions", self.interventions, INTERVENTIONS.__contains__, known)
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
        last = len(family.decoder(model).layers) - 1
        if family.published_layer is None:
            return (round(_USUAL_DEPTH * last),)
        layer, depth = family.published_layer
        return (round(layer / (depth - 1) * last),)

    def refused(self, model: PreTrainedModel, family: Family) -> dict[str, str]:
        """Interventions asked for that a model cannot have, and why."""
        why = {name: INTERVENTIONS[name].complaint(model, family) for name in self.interventions}
        return {name: reason for name, reason in why.items() if reason is not None}

    def offered(self, model: PreTrainedModel, family: Family) -> SweepSettings:
        """What is left of it for a model.

        Raises
        ------
        SetupError
            If nothing is.
        """
        refused = self.refused(model, family)
        left = tuple(name for name in self.interventions if name not in refused)
        if not left:
            raise SetupError(f"robustness: {'; '.join(refused.values())}.")
        return replace(self, interventions=left)

    def check(self, model: PreTrainedModel, family: Family) -> None:
        """Raise SetupError for a layer, unit number or attention window of this model."""
        check_cache(model)
        layers = self.unit_layers(model, family)
        for layer in (*layers, *(() if isinstance(self.mask_layers, str) else self.mask_layers)):
            check_layer(model, family, layer)
        for layer in layers:
            for name in self.interventions:
                INTERVENTIONS[name].check(self, layer, model, family)


def _check_each(name: str, values: Any, legal: Callable[[Any], bool], words: str) -> None:
    if not isinstance(values, tuple):
        raise SetupError(f"robustness: {name} must be a list, got {values!r}.")
    for value in values:
        if not legal(value):
            raise SetupError(f"robustness: {name} must hold {words}, got {value!r}.")
    if len(set(values)) < len(values):
        raise SetupError(f"robustness: {name} names a value twice: {list(values)}.")
