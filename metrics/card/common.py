"""What signals tell on the same samples: only there may one be called better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metrics.card.samples import Samples
from metrics.card.scoring import SignalResult, within_kinds
from metrics.core.checks import BoolArray, FloatArray
from metrics.core.estimate import Estimate
from metrics.scores.bootstrap import auroc_estimate


@dataclass(frozen=True)
class CommonFigures:
    """AUROC of each signal and fusion on the ``n`` samples that all of them have.

    ``names`` are deployable, no copies, and missing on at most 5 % of the samples; the others are
    not compared.
    """

    n: int
    names: tuple[str, ...]
    auroc: tuple[Estimate, ...]
    within_kind_auroc: tuple[Estimate, ...]

    def of(self, name: str, *, mixed: bool) -> Estimate | None:
        """Return the figure that decides: within kinds where they are mixed."""
        if name not in self.names:
            return None
        figures = self.within_kind_auroc if mixed else self.auroc
        return figures[self.names.index(name)]

    def on_common(self, result: SignalResult) -> SignalResult:
        """Return a result with the figures it has on the common samples."""
        number = self.names.index(result.name)
        return replace(
            result, auroc=self.auroc[number], within_kind_auroc=self.within_kind_auroc[number]
        )


NOTHING_COMMON = CommonFigures(0, (), (), ())


def common_figures(
    results: Sequence[SignalResult], scores: Mapping[str, FloatArray], samples: Samples
) -> CommonFigures:
    """Return the figures of the results that can be compared."""
    kept = [
        r
        for r in results
        if r.access == "deployable"
        and r.is_scored
        and r.copy_of is None
        and r.warning is None
        and r.auroc.value is not None
        and not r.is_partial
    ]
    if not kept:
        return NOTHING_COMMON
    present: BoolArray = np.logical_and.reduce([np.isfinite(scores[r.name]) for r in kept])
    shared = samples.only(present)
    plain, inside = [], []
    for result in kept:
        if result.n == shared.correct.size:  # then its samples are the shared ones
            plain.append(result.auroc)
            inside.append(result.within_kind_auroc)
            continue
        score = scores[result.name][present]
        plain.append(auroc_estimate(shared.correct, score, groups=shared.groups))
        inside.append(within_kinds(score, shared))
    names = tuple(result.name for result in kept)
    return CommonFigures(int(present.sum()), names, tuple(plain), tuple(inside))
