"""The labelled samples of one task, and what all figures of its card share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metrics.answers.normal_form import normalize_answer
from metrics.core.checks import BoolArray, IntArray, codes
from metrics.core.folds import grouped_folds, require_classes
from metrics.errors import UndefinedMetricError

N_FOLDS = 5
LEVEL = 0.95  # of every interval


@dataclass(frozen=True)
class Samples:
    """The labelled samples and their folds.

    Groups, kinds and answers are codes. ``folds`` are None where a class is too rare for them;
    ``seed`` makes further draws the same for every signal.
    """

    correct: BoolArray
    groups: IntArray
    kinds: IntArray
    answers: IntArray | None
    folds: IntArray | None
    seed: int

    @classmethod
    def draw(
        cls,
        correct: BoolArray,
        groups: Sequence[str],
        kinds: Sequence[str],
        answers: Sequence[str] | None,
        *,
        rng: np.random.Generator,
    ) -> Samples:
        """Draw folds over images."""
        group = codes("evaluate_card", "groups", groups, correct.size)
        normal = None if answers is None else [normalize_answer(answer) for answer in answers]
        return cls(
            correct,
            group,
            codes("evaluate_card", "kinds", kinds, correct.size),
            None if normal is None else codes("evaluate_card", "answers", normal, correct.size),
            _folds(correct, group, rng),
            int(rng.integers(2**63)),
        )

    @property
    def n_groups(self) -> int:
        """How many images there are."""
        return int(np.unique(self.groups).size)

    def only(self, rows: BoolArray) -> Samples:
        """Return the samples picked by a mask, in the same folds."""
        if rows.all():
            return self
        picked = np.flatnonzero(rows)
        return replace(
            self,
            correct=self.correct[picked],
            groups=self.groups[picked],
            kinds=self.kinds[picked],
            answers=None if self.answers is None else self.answers[picked],
            folds=None if self.folds is None else self.folds[picked],
        )

    def fitting_folds(self) -> IntArray:
        """Return the folds to fit on; raises UndefinedMetricError where these samples lack some."""
        require_classes(self.correct, self.groups, 1, N_FOLDS)
        if self.folds is None or np.unique(self.folds).size < N_FOLDS:
            raise UndefinedMetricError(f"the samples do not reach all {N_FOLDS} folds")
        return self.folds


def _folds(correct: BoolArray, group: IntArray, rng: np.random.Generator) -> IntArray | None:
    try:
        require_classes(correct, group, 1, N_FOLDS)
    except UndefinedMetricError:
        return None
    return grouped_folds(correct, group, n_folds=N_FOLDS, rng=rng)
