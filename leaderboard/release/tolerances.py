"""The tolerance file: which figures are gates of a release, and how much worse each may get."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import leaderboard
from leaderboard.errors import ToleranceError
from metrics.card.statistics import STATISTICS
from metrics.record.bounded_file import MEGA, text_within
from metrics.signals import BY_NAME

ACCURACY, ROBUSTNESS = "accuracy", "robustness"
PLAIN_GATES = (ACCURACY, ROBUSTNESS)
STATED_GATES = ("brier_stated", "ece_stated")
CALIBRATION_GATES = ("brier", "ece", *STATED_GATES)
RANKING_GATES = {statistic.key: statistic for statistic in STATISTICS if statistic.gate is not None}
SIGNAL_GATES = (*RANKING_GATES, *CALIBRATION_GATES)

_MOST = MEGA  # bytes of such a file


@dataclass(frozen=True)
class Tolerances:
    """Margins per gate: accuracy, robustness, or auroc, brier … of a signal (auroc.probe)."""

    margins: Mapping[str, float]
    alpha: float = 0.05


def signal_of(gate: str) -> str | None:
    """The signal that a gate is about, or None."""
    _, _, signal = gate.partition(".")
    return signal or None


def is_lower_better(gate: str) -> bool:
    """Whether a fall of the gate's figure is an improvement."""
    kind = gate.partition(".")[0]
    return kind in CALIBRATION_GATES or (
        kind in RANKING_GATES and RANKING_GATES[kind].lower_is_better
    )


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
    default = files(leaderboard).joinpath("templates/tolerances.toml")
    try:
        with (default if path is None else path).open("rb") as file:
            data = tomllib.loads(text_within(file, _MOST))
    except OSError as error:
        raise ToleranceError(f"--tolerances {path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # no TOML or UTF-8, too deep, too many digits
        raise ToleranceError(f"--tolerances {path} is not TOML: {error}.") from error
    unknown = sorted(set(data) - {"alpha", "margins"})
    if unknown:
        raise ToleranceError(
            f"unknown key {unknown[0]} in the tolerances; legal are alpha and margins."
        )
    margins = _margins(data.get("margins", {}))
    alpha = data.get("alpha", 0.05)
    if not isinstance(alpha, float) or not 0 < alpha < 1:
        raise ToleranceError(f"alpha must be between 0 and 1, got {alpha!r}.")
    return Tolerances(margins, alpha)


def _margins(data: object) -> dict[str, float]:
    if not isinstance(data, dict) or not data:
        raise ToleranceError("the tolerances name no gate in [margins].")
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if key in SIGNAL_GATES and isinstance(value, dict):
            flat |= {f"{key}.{signal}": margin for signal, margin in value.items()}
        else:
            flat[key] = value
    for gate, margin in flat.items():
        _check(gate, margin)
    return flat


def _check(gate: str, margin: object) -> None:
    kind, _, signal = gate.partition(".")
    if gate not in PLAIN_GATES and (kind not in SIGNAL_GATES or signal not in BY_NAME):
        known = ", ".join((*PLAIN_GATES, *(f"{kind}.<signal>" for kind in SIGNAL_GATES)))
        raise ToleranceError(f"margins.{gate} is no gate ({known}) of a declared signal.")
    if kind in STATED_GATES and BY_NAME[signal].states is None:
        stating = ", ".join(name for name, declared in BY_NAME.items() if declared.states)
        raise ToleranceError(f"margins.{gate}: {signal} states no probability; {stating} do.")
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 <= margin <= 1:
        raise ToleranceError(f"margins.{gate} must be in [0, 1], got {margin!r}.")
