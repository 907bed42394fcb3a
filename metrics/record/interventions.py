"""What a report says of an intervention.

A run writes it into its manifest, so that a reader has words also for an intervention that it has
never heard of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from metrics.errors import RecordError

_T = TypeVar("_T")


@dataclass(frozen=True)
class InterventionWords:
    """Words and axis of one intervention.

    Attributes
    ----------
    what
        What is done, as a heading: "MLP units ablated".
    axis
        What a dose is, as the name of an axis: "share of the units".
    choices
        ``choice`` in the sweep's table -> words; one that is not here is named as it stands.
    fills
        ``fill`` in the sweep's table -> words; empty where there is nothing to say of it.
    units
        Kind of units that are ranked by a probe ("residual"), so that a verdict on the ranked ones
        is given; "" where nothing is ranked on labels.
    """

    what: str
    axis: str = "dose"
    choices: Mapping[str, str] = field(default_factory=dict)
    fills: Mapping[str, str] = field(default_factory=dict)
    units: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: object, where: str) -> InterventionWords:
        """Read `to_json`'s form; raises RecordError naming the field below ``where``."""
        known = cls.__dataclass_fields__
        entry: dict[str, Any] = _expect(data, dict, where, "an object")
        found = {"what": None} | {name: own for name, own in entry.items() if name in known}
        for name, value in found.items():
            if name not in ("choices", "fills"):
                _expect(value, str, f"{where}.{name}", "text")
                continue
            for key, words in _expect(value, dict, f"{where}.{name}", "an object").items():
                _expect(words, str, f"{where}.{name}.{key}", "text")
        return cls(**found)


def _expect(value: object, kind: type[_T], where: str, legal: str) -> _T:
    if not isinstance(value, kind):
        raise RecordError(f"manifest field {where} must be {legal}, got {str(value)[:40]!r}.")
    return value
