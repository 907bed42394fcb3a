"""The bars beside a probe, from coordinates that it shares with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from metrics.core.checks import BoolArray, FloatArray, IntArray
from metrics.fitting.logistic_columns import auroc_columns, logistic_columns
from metrics.states.nested_probe import Layers
from metrics.states.repeated_probe import Prepared, ProbeScores


@dataclass(frozen=True)
class LeakageReport:
    """AUROC of one probe when rows are split and when images are; the first may be inflated.

    Attributes
    ----------
    row_split, row_split_sd : float
        Mean and standard deviation over splits of rows.
    grouped_split : float
        Of the reported probe.
    grouped_split_mean, grouped_split_sd : float
        Mean and standard deviation over splits by image.
    difference, difference_sd : float
        Mean and standard deviation of row split less grouped split, one pair a repeat.
    n_repeats : int
        Splits of either kind.
    """

    row_split: float
    row_split_sd: float
    grouped_split: float
    grouped_split_mean: float
    grouped_split_sd: float
    difference: float
    difference_sd: float
    n_repeats: int

    def __str__(self) -> str:
        """Say both in one line."""
        return (
            f"probe AUROC {self.row_split:.3f} ± {self.row_split_sd:.3f} under a row split, "
            f"{self.grouped_split:.3f} ± {self.grouped_split_sd:.3f} under a split by image; "
            f"difference {self.difference:+.3f} ± {self.difference_sd:.3f} "
            f"over {self.n_repeats} splits"
        )


@dataclass(frozen=True)
class PaperProtocol:
    """What the papers' protocol gives; for comparison only, since it chooses on what it reports.

    Attributes
    ----------
    auroc, auroc_sd : float
        Mean and standard deviation over splits of the best layer's AUROC.
    layer : int
        The layer that most splits took.
    aurocs, layers : array, shape (n_splits,)
        Of each split.
    auroc_by_layer : float array, shape (n_layers + 1,)
        Mean over splits.
    """

    auroc: float
    auroc_sd: float
    layer: int
    aurocs: FloatArray
    layers: IntArray
    auroc_by_layer: FloatArray


def leakage_of(
    by_image: Prepared, reference: ProbeScores, rng: np.random.Generator
) -> LeakageReport:
    """Compare splits of rows with the reported probe's splits of images."""
    grouped = reference.repeat_aurocs
    row = by_image.by_row().repeated(rng, n_repeats=grouped.size).repeat_aurocs
    return LeakageReport(
        row_split=float(row.mean()),
        row_split_sd=float(row.std(ddof=1)),
        grouped_split=float(auroc_columns(by_image.label, reference.scores[:, None])[0]),
        grouped_split_mean=float(grouped.mean()),
        grouped_split_sd=float(grouped.std(ddof=1)),
        difference=float((row - grouped).mean()),
        difference_sd=float((row - grouped).std(ddof=1)),
        n_repeats=grouped.size,
    )


def paper_of(
    layers: Layers, label: BoolArray, rng: np.random.Generator, n_splits: int
) -> PaperProtocol:
    """Take the best layer of each split on the rows it is reported on."""
    train = np.zeros((label.size, n_splits), dtype=bool)
    for split in range(n_splits):
        rows, _ = train_test_split(
            np.arange(label.size), test_size=0.2, stratify=label,
            random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        train[rows, split] = True
    by_layer = np.full((len(layers.coordinates), n_splits), np.nan)
    labels = np.broadcast_to(label[:, None], train.shape)
    for layer, z in enumerate(layers.coordinates):
        if z is None:
            continue
        w, _ = logistic_columns(z, labels, train, np.ones(n_splits))
        for split, decisions in enumerate((z @ w).T):
            test = ~train[:, split]
            by_layer[layer, split] = auroc_columns(label[test], decisions[test, None])[0]
    best, aurocs = np.nanargmax(by_layer, axis=0), np.nanmax(by_layer, axis=0)
    return PaperProtocol(
        float(aurocs.mean()), float(aurocs.std(ddof=1)), int(np.bincount(best).argmax()), aurocs,
        best, by_layer.mean(axis=1),
    )  # fmt: skip
