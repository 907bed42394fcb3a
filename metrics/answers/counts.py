"""How often each answer occurs among samples; silence is no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from metrics.core.checks import refuse
from metrics.errors import UndefinedMetricError


def answer_counts(function: str, samples: Sequence[str]) -> Counter[Hashable]:
    """Return the count of each answer, the answers given before the empty ones.

    An empty sample agrees with nothing, not with another empty one either: each is a category of
    its own, under a whole number. Undefined where there is no sample, or none that says anything.
    """
    if isinstance(samples, str):
        raise refuse(function, "samples", "a sequence of strings", f"the string {samples!r}")
    if not len(samples):
        raise UndefinedMetricError("no sampled answers")
    counts: Counter[Hashable] = Counter(answer for answer in samples if answer)
    if not counts:
        raise UndefinedMetricError(f"all {len(samples)} sampled answers are empty")
    counts.update(range(len(samples) - counts.total()))
    return counts
