"""Records of long runs in little memory: equal to the plain ones, with what they share held once.

A record's mappings of Python numbers take 8 KB; a run of 214,354 samples has to fit beside its
model. Here numbers are packed, and texts, reasons and samples that are equal are the same object.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan, nan
from typing import Any, TypeVar

from metrics.record.records import SampleRecord

T = TypeVar("T")


class _Packed(Mapping[str, T]):
    """A mapping whose names are held once for many of them."""

    __slots__ = ("_index", "_values")

    def __init__(self, index: Mapping[str, int], values: Any) -> None:  # noqa: ANN401
        self._index, self._values = index, values

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __repr__(self) -> str:
        return repr(dict(self))


class PackedSignals(_Packed[float | None]):
    """Signal -> value, as the dict of it; None is held as NaN, which no record holds."""

    __slots__ = ()

    def __getitem__(self, name: str) -> float | None:
        value: float = self._values[self._index[name]]
        return None if isnan(value) else value


class PackedLayers(_Packed[list[float] | None]):
    """Per-layer vector -> values, as the dict of it."""

    __slots__ = ()

    def __getitem__(self, name: str) -> list[float] | None:
        value: array[float] | None = self._values[self._index[name]]
        return None if value is None else value.tolist()


class Compact:
    """Makes records small; what they share is shared among those of one instance."""

    def __init__(self) -> None:
        self._shared: dict[Any, Any] = {}

    def __call__(self, record: SampleRecord) -> SampleRecord:
        """Return a record that is equal to this one."""
        return replace(
            record,
            **{name: self._same(getattr(record, name)) for name in _OFTEN_EQUAL},
            samples=self._list(record.samples),
            normal_samples=self._list(record.normal_samples),
            grid=None if record.grid is None else self._list(record.grid),
            signals=self._signals(record.signals),
            layers=self._layers(record.layers),
            missing=self._missing(record.missing),
        )

    def _same(self, value: T) -> T:
        found: T = self._shared.setdefault(value, value)
        return found

    def _list(self, values: list[T]) -> list[T]:
        key = "list", tuple(map(self._same, values))
        found: list[T] | None = self._shared.get(key)
        if found is None:
            found = self._shared[key] = list(key[1])
        return found

    def _missing(self, reasons: Mapping[str, str]) -> dict[str, str]:
        key = "missing", tuple(reasons.items())
        found: dict[str, str] | None = self._shared.get(key)
        if found is None:
            found = self._shared[key] = {self._same(n): self._same(r) for n, r in key[1]}
        return found

    def _index(self, names: Mapping[str, Any]) -> Mapping[str, int]:
        key = "names", tuple(names)
        found: Mapping[str, int] | None = self._shared.get(key)
        if found is None:
            found = self._shared[key] = {self._same(name): i for i, name in enumerate(key[1])}
        return found

    def _signals(self, signals: Mapping[str, float | None]) -> PackedSignals:
        values = array("d", [nan if value is None else value for value in signals.values()])
        return PackedSignals(self._index(signals), values)

    def _layers(self, layers: Mapping[str, list[float] | None]) -> Mapping[str, list[float] | None]:
        if not layers or isinstance(layers, PackedLayers):
            return layers
        values = tuple(None if own is None else array("d", own) for own in layers.values())
        return PackedLayers(self._index(layers), values)


_OFTEN_EQUAL = ("task", "split", "group", "kind", "answer", "target", "normal_answer", "shard")
