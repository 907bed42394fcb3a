"""What a sweep is to measure, as its interventions read it; `SweepSettings` checks it."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "paper"
ALL = "all"
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class SweepPlan:
    """Interventions, doses, layers and controls of a sweep.

    Attributes
    ----------
    interventions : tuple of str
        Which, in this order.
    layers : tuple of int, or "paper"
        Decoder layers of ablations and bypasses; "paper" is the papers' layer of the family, at the
        same relative depth in models of other sizes; of a family in no paper, at their mean depth.
    mask_layers : tuple of int, or "all"
        "all": attention is blocked in every layer at once; else in one layer at a time.
    image_shares : tuple of float
        Shares of the image tokens that are masked: most attended, least attended and random ones.
    unit_counts : tuple of int
        How many units are ablated: ranked ones and random ones.
    unit_shares : tuple of float
        The same as shares of the layer's units.
    unit_fills : tuple of str
        What stands there instead: "zero", "mean" (over the training folds).
    pixel_fills : tuple of str
        Likewise: "mean" (the image's colour), "blur" (the image under a Gaussian).
    seeds : int
        Random draws per dose.
    folds : int
        Units are ranked on all folds but one and ablated on that one.
    min_errors : int
        Fewest right and fewest wrong answers in the training folds to rank units on.
    max_samples : int or None
        Measure on about so many samples: whole images, drawn at random. Ranking uses all.
    max_rows : int
        Variants that are run as one batch: lower it where memory is short.
    """

    interventions: tuple[str, ...] = ()
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
