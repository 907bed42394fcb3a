"""Verdicts of a release check: margins of tolerance, and what a paired difference says of them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

from metrics import comparison
from metrics.signals import BY_NAME

Verdict = Literal["regressed", "improved", "unchanged within margin", "cannot tell"]
POWER = 0.8


class ToleranceError(ValueError):
    """A tolerance file that cannot be used; the message names the key."""


@dataclass(frozen=True)
class Tolerances:
    """Margins per gate. A gate is ``accuracy`` or ``auroc.<signal>``."""

    margins: Mapping[str, float]
    alpha: float = 0.05
    n_resamples: int = 2000


@dataclass(frozen=True)
class Difference:
    """New less old on the same samples, or why there is none.

    Attributes
    ----------
    gate, old, new
        The figure's name and its two values.
    low, high
        95 % interval of the difference.
    stderr
        Of the difference.
    reason
        Why the difference does not exist, or None.
    """

    gate: str
    old: float | None = None
    new: float | None = None
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    reason: str | None = None

    @property
    def value(self) -> float | None:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True)
class Gate:
    """One gate's outcome. ``detectable``: smallest true difference seen with 80 % power."""

    difference: Difference
    margin: float
    verdict: Verdict
    p_value: float | None
    detectable: float | None


def read_tolerances(path: Path | None = None) -> Tolerances:
    """Read a tolerance file, the documented defaults without one.

    Parameters
    ----------
    path : Path, optional
        TOML in the form of ``leaderboard/templates/tolerances.toml``.

    Returns
    -------
    Tolerances

    Raises
    ------
    ToleranceError
        If the file is not TOML, or holds an unknown key or an illegal value.
    """
    default = files("leaderboard").joinpath("templates/tolerances.toml")
    text = default.read_text("utf-8") if path is None else path.read_text("utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ToleranceError(f"{path} is not TOML: {error}.") from error
    unknown = sorted(set(data) - {"alpha", "n_resamples", "margins"})
    if unknown:
        raise ToleranceError(f"unknown key {unknown[0]} in the tolerances.")
    margins = _margins(data.get("margins", {}))
    alpha, n_resamples = data.get("alpha", 0.05), data.get("n_resamples", 2000)
    if not isinstance(alpha, float) or not 0 < alpha < 1:
        raise ToleranceError(f"alpha must be between 0 and 1, got {alpha!r}.")
    if not isinstance(n_resamples, int) or n_resamples < 2:
        raise ToleranceError(f"n_resamples must be a whole number >= 2, got {n_resamples!r}.")
    return Tolerances(margins, alpha, n_resamples)


def judge(differences: Sequence[Difference], tolerances: Tolerances) -> list[Gate]:
    """Give each gate its verdict.

    *regressed* (*improved*): the difference is below (above) zero by a two-sided normal test on its
    bootstrap standard error, Holm-adjusted over all gates, **and** it exceeds the margin.
    *unchanged within margin*: the 95 % interval lies inside the margin. Else *cannot tell*.

    Parameters
    ----------
    differences : sequence of Difference
        One per gate.
    tolerances : Tolerances
        A margin for each of them.

    Returns
    -------
    list of Gate
        In the order given.
    """
    p_values = [_p_value(d) for d in differences]
    adjusted = holm(p_values)
    n_gates = sum(p is not None for p in p_values)
    return [
        _gate(d, p, tolerances.margins[d.gate], tolerances.alpha, n_gates)
        for d, p in zip(differences, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment; None stays None and is not counted.

    Examples
    --------
    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    """
    known = [p for p in p_values if p is not None]
    adjusted = iter(comparison.holm(known).tolist() if known else [])
    return [None if p is None else next(adjusted) for p in p_values]


def _margins(data: object) -> dict[str, float]:
    if not isinstance(data, dict) or not data:
        raise ToleranceError("the tolerances name no gate in [margins].")
    auroc = data.get("auroc", {})
    flat: dict[str, Any] = {key: value for key, value in data.items() if key != "auroc"}
    flat |= {f"auroc.{name}": value for name, value in auroc.items()}
    for gate, margin in flat.items():
        if gate != "accuracy" and gate.removeprefix("auroc.") not in BY_NAME:
            raise ToleranceError(f"margins.{gate} is neither accuracy nor a declared signal.")
        if not isinstance(margin, (int, float)) or not 0 <= margin <= 1:
            raise ToleranceError(f"margins.{gate} must be in [0, 1], got {margin!r}.")
    return flat


def _p_value(difference: Difference) -> float | None:
    if difference.value is None or difference.stderr is None:
        return None
    if difference.stderr == 0:
        return 1.0 if difference.value == 0 else None
    return math.erfc(abs(difference.value) / difference.stderr / math.sqrt(2))


def _gate(
    difference: Difference, p_value: float | None, margin: float, alpha: float, n_gates: int
) -> Gate:
    verdict: Verdict = "cannot tell"
    value, low, high = difference.value, difference.low, difference.high
    detectable = None
    if difference.stderr is not None and n_gates:
        normal = NormalDist()
        critical = normal.inv_cdf(1 - alpha / n_gates / 2) + normal.inv_cdf(POWER)
        detectable = critical * difference.stderr
    if value is not None and p_value is not None and p_value <= alpha and abs(value) > margin:
        verdict = "regressed" if value < 0 else "improved"
    elif low is not None and high is not None and -margin <= low and high <= margin:
        verdict = "unchanged within margin"
    return Gate(difference, margin, verdict, p_value, detectable)
