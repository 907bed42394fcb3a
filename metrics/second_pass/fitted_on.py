"""On which samples of a task something is fitted: all of them, or a seeded part of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.core.seeds import rng_for

MOST_FITTED = 3000  # samples: beyond, the many fits of every probe take hours


@dataclass(frozen=True)
class FittedOn:
    """The samples that something is fitted on.

    Attributes
    ----------
    rows : int array
        Of these samples, rising.
    there : bool array, shape (n_samples,)
        Which samples have what it is fitted on.
    """

    rows: NDArray[np.int64]
    there: NDArray[np.bool_]

    @property
    def is_part(self) -> bool:
        """Whether some samples that have it are left out."""
        return self.rows.size < int(self.there.sum())

    @property
    def reason(self) -> str:
        """Why a sample that is left out has no score."""
        return (
            f"fitted on {self.rows.size} of the {int(self.there.sum())} samples that have what it "
            "needs, a seeded part of the images; this is none of them"
        )

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Which samples have what it is fitted on, and are not among those, shape (n_samples,)."""
        found = self.there.copy()
        found[self.rows] = False
        return found

    def spread(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of these samples at their rows among all, shape (n_samples,), NaN elsewhere."""
        found = np.full(self.there.size, np.nan)
        found[self.rows] = scores
        return found

    def said(self) -> dict[str, Any]:
        """For the manifest: nothing where all samples are used."""
        if not self.is_part:
            return {}
        return {"fitted_on": {"n": int(self.rows.size), "of": int(self.there.sum())}}


def fitted_on(
    there: NDArray[np.bool_], groups: Sequence[str], *, task: str, most: int = MOST_FITTED
) -> FittedOn:
    """Choose whole images, in an order that the task's name seeds, until ``most`` samples are full.

    Parameters
    ----------
    there : bool array, shape (n_samples,)
        Which samples have what is fitted on.
    groups : sequence of str, length n_samples
        Image of each sample.
    task : str
        Seeds the order, apart from that of the folds.
    most : int, default 3000
        Samples; all are taken where there are no more.

    Examples
    --------
    >>> part = fitted_on(np.ones(6, bool), list("aabbcc"), task="t", most=4)
    >>> part.rows.size, part.is_part
    (4, True)
    """
    rows = np.flatnonzero(there)
    if rows.size <= most:
        return FittedOn(rows, there)
    own = [groups[i] for i in rows.tolist()]
    code = {name: i for i, name in enumerate(dict.fromkeys(own))}
    group = np.array([code[name] for name in own])
    order = rng_for(f"{task}/fitted on").permutation(len(code))
    sizes = np.bincount(group)[order]
    full = np.cumsum(sizes) <= most
    full[0] = True  # an image of more samples than that is not cut
    chosen = np.isin(group, order[full])
    return FittedOn(rows[chosen], there)
