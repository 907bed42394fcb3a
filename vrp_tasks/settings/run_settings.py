"""The settings of a run: what is taken out of the model arguments before the model sees them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vrp_tasks.capture.settings import CaptureSettings
from vrp_tasks.errors import SetupError
from vrp_tasks.settings.options import RunOptions, run_options_from
from vrp_tasks.settings.probe_file import LoadedProbe, load_probe

# model argument -> field of `CaptureSettings`
CAPTURE = {
    "k": "k",
    "sample_temperature": "temperature",
    "sample_top_p": "top_p",
    "sample_seed": "seed",
    "top_heads": "top_heads",
    "blank_image": "blank_image",
    "extra": "extra",
}
NAMES = (
    *CAPTURE,
    *("hidden_dtype", "probe", "access", "max_failed"),
    *(option.name for option in fields(RunOptions)),
)


@dataclass(frozen=True)
class RunSettings:
    """Everything that a run was asked for beside lmms-eval's own arguments.

    Attributes
    ----------
    capture : CaptureSettings
        How answers are sampled, and what is measured beside them.
    options : RunOptions
        Which samples, which label, which states.
    hidden_dtype : {"float16", "float32", "none"}
        How hidden states are stored; none: not at all.
    probe : LoadedProbe or None
        The probe of another run (its folder), that scores this one.
    access : str
        How the model is looked into: the name of a level, or auto, which takes the one that sees
        most.
    max_failed : float
        Share of a task's documents that may fail before the run ends. Not described: a run that
        ended so goes on under another share.
    """

    capture: CaptureSettings = field(default_factory=CaptureSettings)
    options: RunOptions = field(default_factory=RunOptions)
    hidden_dtype: str = "float16"
    probe: LoadedProbe | None = None
    access: str = "auto"
    max_failed: float = 0.05

    def described(self) -> dict[str, Any]:
        """For the manifest and the fingerprint of a run."""
        loaded = self.probe
        return {
            **asdict(self.capture),
            "extra": list(self.capture.extra),
            "hidden_dtype": self.hidden_dtype,
            **asdict(self.options),
            "probe": None if loaded is None else f"{loaded.task} on {loaded.model}",
        }


def settings_of(arguments: Mapping[str, Any]) -> RunSettings:
    """Read ours among the model arguments; those of the model are left alone.

    Raises
    ------
    SetupError
        If one of ours is not legal; before any model is loaded.
    """
    own = {name: value for name, value in arguments.items() if name in NAMES}
    for name in arguments:
        near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.85)
        if name not in NAMES and near:
            raise SetupError(f"unknown model argument {name!r}. Did you mean {near[0]}?")
    access = str(own.pop("access", "auto")).lower()
    capture, hidden_dtype = _capture_from(own)
    path = own.pop("probe", None)
    probe = None if path is None else load_probe(Path(str(path)))
    max_failed = _share(own.pop("max_failed", RunSettings.max_failed))
    return RunSettings(capture, run_options_from(own), hidden_dtype, probe, access, max_failed)


def _capture_from(own: dict[str, Any]) -> tuple[CaptureSettings, str]:
    hidden_dtype = str(own.pop("hidden_dtype", "float16")).lower()
    if hidden_dtype not in ("float16", "float32", "none"):
        raise SetupError(
            f"model argument hidden_dtype must be float16, float32 or none, got {hidden_dtype!r}."
        )
    values: dict[str, Any] = {}
    for argument, name in CAPTURE.items():
        default = getattr(CaptureSettings, name)
        kind = {bool: _flag, int: _whole, tuple: _names}.get(type(default), float)
        raw = own.pop(argument, default)
        try:
            values[name] = kind(raw)
        except (TypeError, ValueError):
            legal = _LEGAL[kind]
            raise SetupError(f"model argument {argument} must be {legal}, got {raw!r}.") from None
    values["blank_image"] |= "blank" in values["extra"]
    return CaptureSettings(**values), hidden_dtype


def _whole(value: Any) -> int:
    """A whole number as lmms-eval's argument parser may leave it: 2.0 is one, 2.5 is none."""
    if float(value) != int(float(value)):
        raise ValueError(value)
    return int(float(value))


def _share(given: Any) -> float:
    try:
        share = float(given)
    except (TypeError, ValueError):
        share = math.nan
    if isinstance(given, bool) or not 0 <= share <= 1:
        raise SetupError(f"model argument max_failed must be a share in [0, 1], got {given!r}.")
    return share


def _flag(value: Any) -> bool:
    """A truth value as lmms-eval's argument parser may leave it."""
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(value)
    return known[str(value).lower()]


def _names(value: Any) -> tuple[str, ...]:
    """Names joined by +, or in brackets; lmms-eval's argument parser cuts at a bare comma."""
    given = value if isinstance(value, (list, tuple)) else re.split(r"[+,\s]+", str(value))
    names = (str(name).strip("[]()'\" ").lower() for name in given)
    return tuple(dict.fromkeys(name for name in names if name not in ("", "none", "false")))


_LEGAL: dict[Any, str] = {
    _flag: "true or false",
    _whole: "a whole number",
    _names: "names joined by +",
    float: "a number",
}
