"""What a channel is: one kind of measurement beside an answer, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

Array = NDArray[Any]
Depth = Literal["answers", "log-probabilities", "inside"]
DEPTHS: tuple[Depth, ...] = ("answers", "log-probabilities", "inside")


@dataclass(frozen=True)
class Channel:
    """One kind of measurement; a subclass's fields are arrays."""

    name: ClassVar[str]
    kept: ClassVar[bool] = True  # whether the run folder stores it
    depth: ClassVar[Depth] = "inside"  # how far into a model one has to see for it

    def arrays(self) -> dict[str, Array]:
        """Its arrays by field."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
