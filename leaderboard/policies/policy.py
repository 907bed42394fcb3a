"""The policy file: above which value of a signal an answer may be shown, and what was promised."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from leaderboard.errors import PolicyError
from metrics.signals import BY_NAME

FORMAT = "vrp-policy"
FORMAT_VERSION = 1
MAX_BYTES = 100_000
MAX_TEXT = 2000
Scalar = str | float | int | None
_T = TypeVar("_T")


@dataclass(frozen=True)
class OfTask:
    """Which answers the promise is about, and when one of them is right."""

    name: str
    version: str
    threshold: float | None
    label: str | None
    labels: str | None


@dataclass(frozen=True)
class OfSignal:
    """The signal: its name, the release line that computed it, and how its samples were drawn."""

    name: str
    version: str
    sampling: dict[str, Scalar]


@dataclass(frozen=True)
class Promised:
    """Of the answers with the signal at ``threshold`` or above, at most ``risk`` are wrong."""

    threshold: float
    risk: float
    confidence: float


@dataclass(frozen=True)
class ChosenOn:
    """The run that it was chosen on, and what the threshold does there.

    ``bound`` is the upper bound of the risk at this threshold alone, at the confidence of the
    promise.
    """

    run: str
    model: str
    images: str
    n: int
    n_groups: int
    largest_image: int
    n_shown: int
    n_wrong: int
    coverage: float
    bound: float
    n_thresholds: int
    n_tested: int


@dataclass(frozen=True)
class Policy:
    """A threshold with its promise."""

    task: OfTask
    signal: OfSignal
    promise: Promised
    chosen_on: ChosenOn


def policy_text(policy: Policy) -> str:
    """Content of a policy file."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    return json.dumps(head | asdict(policy), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_policy(path: Path) -> Policy:
    """Read a policy file that may be anybody's.

    Parameters
    ----------
    path : Path
        JSON as `policy_text` writes it.

    Returns
    -------
    Policy

    Raises
    ------
    PolicyError
        If it is no such file; names the field.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PolicyError(f"{path} is no policy: it has more than {MAX_BYTES} bytes.")
    try:
        content = json.loads(data.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{path} is no policy: {error}.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PolicyError(f'{path} is no policy: its field format is not "{FORMAT}".')
    if content.get("format_version") != FORMAT_VERSION:
        raise PolicyError(
            f"{path} has format_version {_shown(content.get('format_version'))}, this version "
            f"reads {FORMAT_VERSION}. Choose the threshold anew (vrp-leaderboard threshold)."
        )
    own = {key: value for key, value in content.items() if key not in ("format", "format_version")}
    try:
        policy = _read(Policy, own, "")
        _check(policy)
    except PolicyError as error:
        raise PolicyError(f"{path} is no policy: {error}") from error
    return policy


def _read(kind: type[_T], data: object, where: str) -> _T:
    """Rebuild a dataclass; every field has to be there, and no other."""
    if not isinstance(data, dict):
        raise PolicyError(f"{where or 'it'} must be an object, got {_shown(data)}.")
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    odd = sorted(map(str, set(names) ^ set(data)))
    if odd:
        what = "lacks the field" if odd[0] in names else "has the unknown field"
        raise PolicyError(f"{where or 'it'} {what} {_shown(odd[0])}.")
    hints = get_type_hints(kind)
    prefix = f"{where}." if where else ""
    return kind(**{name: _field(hints[name], data[name], f"{prefix}{name}") for name in names})


def _field(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 -- of that type
    if is_dataclass(kind):
        return _read(kind, value, where)  # type: ignore[arg-type]
    if kind in (float, int, str) or type(None) in get_args(kind):
        return _scalar(get_args(kind) or (kind,), value, where)
    if not isinstance(value, dict) or len(value) > MAX_TEXT:
        raise PolicyError(f"{where} must be an object, got {_shown(value)}.")
    return {key: _scalar(get_args(Scalar), item, f"{where}.{key}") for key, item in value.items()}


def _scalar(kinds: tuple[Any, ...], value: object, where: str) -> Any:  # noqa: ANN401 -- of that type
    legal: tuple[Any, ...] = (*kinds, int) if float in kinds else kinds
    right = isinstance(value, legal) and not isinstance(value, bool)
    if not right or (isinstance(value, str) and len(value) > MAX_TEXT):
        names = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise PolicyError(f"{where} must be of type {names}, got {_shown(value)}.")
    if isinstance(value, int) and float in kinds and int not in kinds:
        value = _as_float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise PolicyError(f"{where} must be finite, got {_shown(value)}.")
    return value


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check(policy: Policy) -> None:
    promise, signal = policy.promise, policy.signal.name
    for name in ("risk", "confidence"):
        value = getattr(promise, name)
        if not 0 < value < 1:
            raise PolicyError(f"promise.{name} must be in (0, 1), got {value:g}.")
    if signal not in BY_NAME:
        raise PolicyError(f"signal.name is no declared signal, got {_shown(signal)}.")


def _no_number(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no number")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
