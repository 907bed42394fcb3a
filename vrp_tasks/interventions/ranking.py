"""Which units a sweep ablates in which sample: ranked on other images, or drawn at random."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from metrics.errors import UndefinedMetricError
from metrics.record.records import SampleRecord
from metrics.states.unit_ranking import image_folds, probe_weights
from vrp_tasks.interventions.ablation import Site
from vrp_tasks.interventions.plan import SweepPlan
from vrp_tasks.interventions.unit_states import Place
from vrp_tasks.interventions.variants import RANDOM, RANKED, Variant

_SHOWN = 10  # ranked units per fold in the manifest


@dataclass
class Ranking:
    """Order and means of units per fold; what could not be had is in ``refused``.

    Attributes
    ----------
    fold : dict of str to int
        Document -> the fold in which it is held out.
    order : dict of place to int array, shape (n_folds, n_units)
        Units by falling weight in the *other* folds.
    means : dict of place to float array, shape (n_folds, n_units)
        Mean over prompt tokens and samples of the other folds.
    refused : dict of str to str
        "<choice or fill> <site> units of layer <l>" -> why these are not ablated.
    """

    task: str
    fold: dict[str, int] = field(default_factory=dict)
    order: dict[Place, np.ndarray] = field(default_factory=dict)
    means: dict[Place, np.ndarray] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def units(self, site: Site, variant: Variant, doc_id: str, n_units: int) -> np.ndarray | None:
        """Bool (n_units,): the units of an ablation of one document, or None if refused."""
        place = _place(site, variant)
        if variant.fill == "mean" and place not in self.means:
            return None
        if variant.choice == RANKED:
            if place not in self.order:
                return None
            order = self.order[place][self.fold[doc_id]]
        else:
            order = self.random_order(place, variant.seed, n_units)
        chosen = np.zeros(n_units, dtype=bool)
        chosen[order[: variant.n_of(n_units)]] = True
        return chosen

    def fill(self, site: Site, variant: Variant, doc_id: str, n_units: int) -> np.ndarray:
        """Float32 (n_units,): what stands at ablated units."""
        if variant.fill == "zero":
            return np.zeros(n_units, dtype=np.float32)
        means: np.ndarray = self.means[_place(site, variant)][self.fold[doc_id]]
        return means

    def random_order(self, place: Place, seed: int | None, n_units: int) -> np.ndarray:
        """A permutation that depends on task, place and seed only."""
        layer, site = place
        return seeded(f"{self.task}/{site}/{layer}/{seed}").permutation(n_units)

    def top_units(self) -> dict[str, list[list[int]]]:
        """The first ranked units per place and fold, for the manifest."""
        return {
            f"{site}.{layer}": [[int(unit) for unit in row[:_SHOWN]] for row in order]
            for (layer, site), order in self.order.items()
        }


def rank_units(
    task: str,
    samples: Sequence[SampleRecord],
    settings: SweepPlan,
    places: Collection[Place],
    read: Callable[[str, list[str]], np.ndarray],
) -> Ranking:
    """Rank the units of every place in every fold.

    Parameters
    ----------
    task : str
        Seeds folds and random choices.
    samples : sequence of Sample
        The whole clean pass, of all ranks, in a fixed order.
    settings : SweepPlan
        Folds, fills, and how many errors are needed.
    places : collection of (layer, site)
        Where units are ablated.
    read : callable
        Array name and documents -> states, (n, n_units).

    Returns
    -------
    Ranking
        Without what the data do not carry, and with the reason.
    """
    ranking = Ranking(task)
    if not places:
        return ranking
    strata = [sample.correct if sample.correct is not None else -1 for sample in samples]
    try:
        folds = image_folds(
            strata, [s.group for s in samples], rng=seeded(task), n_folds=settings.folds
        )
    except UndefinedMetricError as undefined:
        for layer, site in places:
            for what in (RANKED, "mean"):
                ranking.refused[_name(what, layer, site)] = str(undefined)
        return ranking
    docs = [sample.doc_id for sample in samples]
    ranking.fold = dict(zip(docs, folds.tolist(), strict=True))
    labelled = np.array([sample.correct is not None for sample in samples])
    correct = np.array([sample.correct or 0 for sample in samples])
    for layer, site in places:
        if "mean" in settings.unit_fills:
            mean = read(f"{site}.{layer}.mean", docs)
            ranking.means[layer, site] = np.stack(
                [mean[folds != fold].mean(axis=0) for fold in range(settings.folds)]
            )
        states = read(f"{site}.{layer}.last", docs)
        try:
            ranking.order[layer, site] = np.stack(
                [
                    _order(states[train], correct[train], settings)
                    for fold in range(settings.folds)
                    for train in [labelled & (folds != fold)]
                ]
            )
        except UndefinedMetricError as undefined:
            ranking.refused[_name(RANKED, layer, site)] = str(undefined)
    return ranking


def _order(states: np.ndarray, correct: np.ndarray, settings: SweepPlan) -> np.ndarray:
    weights = probe_weights(states, correct, min_per_class=settings.min_errors)
    return np.argsort(-np.abs(weights), kind="stable")


def _place(site: Site, variant: Variant) -> Place:
    assert variant.layer is not None
    return variant.layer, site


def choose_cells(variant: Variant, attended: np.ndarray, identity: str) -> np.ndarray:
    """The image tokens that a mask hides in one sample, bool (S,).

    Parameters
    ----------
    variant : Variant
        A mask.
    attended : float array, shape (S,)
        Attention to each image token in the clean pass.
    identity : str
        Names the sample; with the variant's seed it seeds a random choice.
    """
    if variant.choice == RANDOM:
        order = seeded(f"{identity}/{variant.seed}").permutation(attended.size)
    else:
        sign = -1 if variant.choice == RANKED else 1
        order = np.argsort(sign * attended, kind="stable")
    chosen = np.zeros(attended.size, dtype=bool)
    chosen[order[: variant.n_of(attended.size)]] = True
    return chosen


def seeded(name: str) -> np.random.Generator:
    """Generator that depends on a name only."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([int.from_bytes(digest[i : i + 4], "little") for i in (0, 4, 8)])


def _name(what: str, layer: int, site: str) -> str:
    return f"{what} {site} units of layer {layer}"
