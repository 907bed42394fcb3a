"""Two sets of figures side by side: every one that differs, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.golden.figures import ESTIMATE, MARK

Figure = float | int | str | bool | None


@dataclass(frozen=True)
class Rule:
    """How far figures whose name matches may lie apart: relative to their size, or in all."""

    pattern: str
    relative: float
    absolute: float = 0.0


# The same code on the same machine: what a move of code has to keep.
SAME_MACHINE = (Rule("", 1e-9, 1e-12),)
# float32 kernels of another CPU round differently in the seventh digit. That moves a value by
# about 1e-5 of its size, swaps near ties, and through them counts of cells; what is fitted
# (regressions that stop at a tolerance, trees, networks) moves further. The first rule that
# matches holds. Answers, counts of samples and reasons are equal everywhere.
ELSEWHERE = (
    Rule(r"/fitted/|(probe|attention_features|attention_mlp)", 0.05, 0.05),
    Rule(r"(fusion|probabilities|_only)", 0.02, 0.02),
    Rule(r"(cluster_count|component_count)", 0.02, 0.1),
    Rule(r"/card/", 0.01, 0.01),
    Rule("", 1e-3, 1e-4),
)
# No model in it: the same numbers come in, so only the order of sums differs; fits stop at 1e-4.
NUMBERS_ELSEWHERE = (
    Rule(r"(fusion|probabilities|_only)", 0.02, 0.02),
    Rule("", 1e-9, 1e-12),
)


def flatten(figures: Any, name: str = "") -> Iterator[tuple[str, Figure]]:
    """Every figure with the path that leads to it."""
    if isinstance(figures, dict):
        for key, value in figures.items():
            yield from flatten(value, f"{name}/{key}")
    elif isinstance(figures, list):
        estimate = bool(figures) and figures[0] == MARK
        keys: Sequence[object] = ESTIMATE if estimate else range(len(figures))
        for key, value in zip(keys, figures[1:] if estimate else figures, strict=True):
            yield from flatten(value, f"{name}/{key}")
    else:
        yield name, figures


def differences(kept: Any, found: Any, rules: Sequence[Rule]) -> list[str]:
    """A line for every figure that is not what was kept, is new, or is gone."""
    before, after = dict(flatten(kept)), dict(flatten(found))
    lines = []
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            lines.append(f"{name}: gone (was {before[name]!r})")
        elif name not in before:
            lines.append(f"{name}: new ({after[name]!r})")
        elif not _equal(name, before[name], after[name], rules):
            lines.append(f"{name}: {before[name]!r} -> {after[name]!r}")
    return lines


def _equal(name: str, a: Figure, b: Figure, rules: Sequence[Rule]) -> bool:
    numbers = isinstance(a, float) or isinstance(b, float)
    if not numbers or isinstance(a, str | bool | None) or isinstance(b, str | bool | None):
        return a == b and isinstance(a, bool) == isinstance(b, bool)
    rule = next(rule for rule in rules if re.search(rule.pattern, name))
    return abs(a - b) <= max(rule.absolute, rule.relative * max(abs(a), abs(b)))
