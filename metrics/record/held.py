"""Records of long runs in little memory: a sequence that makes each when it is asked for.

A record's mappings of Python numbers take 8 KB; a run of 214,354 samples has to fit beside its
model. Here a signal is a column of float64, equal texts are held once, and what is added to all
records is a column more, whatever there is before.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isnan, nan
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from metrics.record.packing import Lists, Numbers, Pool, Texts, Vectors
from metrics.record.records import SampleRecord

T = TypeVar("T")
Reasons = Mapping[str, str]
_POOLED = ("task", "split", "group", "kind", "answer", "target", "normal_answer", "shard", "image")
_TEXTS = ("doc_id", "prompt")
_LISTS = ("samples", "normal_samples")
_NOTHING = {"score": ("d", -1.0), "correct": ("b", -1)}  # what stands for None
_NO_COUNT = ("q", -(2**63))
# sets a field of a record that is being made
_FIELDS = {n: vars(SampleRecord)[n].__set__ for n in SampleRecord.__dataclass_fields__}


class _SignalsOf(Mapping[str, float | None]):
    """The signals of one row, as the dict of them."""

    __slots__ = ("_columns", "_names", "_row")

    def __init__(self, names: Mapping[str, None], columns: Mapping[str, Any], row: int) -> None:
        self._names, self._columns, self._row = names, columns, row

    def __getitem__(self, name: str) -> float | None:
        if name not in self._names:
            raise KeyError(name)
        value = float(self._columns[name][self._row])
        return None if isnan(value) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __reduce__(self) -> tuple[type, tuple[dict[str, float | None]]]:
        """A copy, or what goes to another process, is one row and not the columns of all."""
        return dict, (dict(self),)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __repr__(self) -> str:
        return repr(dict(self))


class HeldRecords(Sequence[SampleRecord]):
    """Records that are equal to those that were appended, and of which little is held.

    Whoever makes others of them (`without_signals`, `with_columns`, …) shares their columns, so no
    record may be appended after that.

    Parameters
    ----------
    records : iterable of SampleRecord
        Are appended one by one.
    """

    def __init__(self, records: Iterable[SampleRecord] = ()) -> None:
        self._rows: NDArray[np.int64] | None = None  # of the columns; None: each in its turn
        self._n = 0
        self._plain: dict[str, Any] = {
            **{name: Pool() for name in (*_POOLED, "grid")},
            **{name: Texts() for name in _TEXTS},
            **{name: Lists() for name in _LISTS},
            **{name: Numbers(*own) for name, own in _NOTHING.items()},
            **{name: Numbers(*_NO_COUNT) for name in ("n_answer_tokens", "row")},
        }
        self._layers = Vectors()
        self._names: Pool[dict[str, None]] = Pool()  # which signals a record has, in its order
        self._missing: Pool[Reasons] = Pool()
        self._columns: dict[str, Any] = {}  # float64, NaN for None and for no such signal
        for record in records:
            self.append(record)

    def append(self, record: SampleRecord) -> None:
        """Add a record at the end."""
        for name, column in self._plain.items():
            if name == "grid":
                column.append(record.grid, None if record.grid is None else tuple(record.grid))
            else:
                column.append(getattr(record, name))
        self._layers.append(record.layers, record.layers.values())
        self._missing.append(record.missing, tuple(record.missing.items()))
        names = tuple(record.signals)
        number = self._names.number(dict.fromkeys(names), names)
        self._names.rows.append(number)
        for name in names:
            if name not in self._columns:
                self._columns[name] = array("d", [nan]) * self._n
        for name, values in self._columns.items():
            value = record.signals.get(name)
            values.append(nan if value is None else value)
        self._n += 1

    # -- as a sequence --------------------------------------------------------------------------

    def __len__(self) -> int:
        return self._n if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, at: int) -> SampleRecord: ...
    @overload
    def __getitem__(self, at: slice) -> HeldRecords: ...
    def __getitem__(self, at: int | slice) -> SampleRecord | HeldRecords:
        if isinstance(at, slice):
            return self.take(range(*at.indices(len(self))))
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at += len(self) if at < 0 else 0
        return self._made(at if self._rows is None else int(self._rows[at]))

    def __iter__(self) -> Iterator[SampleRecord]:
        return map(self._made, self._each_row())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _each_row(self) -> Iterable[int]:
        return range(self._n) if self._rows is None else self._rows.tolist()

    def _made(self, row: int) -> SampleRecord:
        """A record; it was checked when it was appended."""
        record = object.__new__(SampleRecord)
        for name, column in self._plain.items():
            _FIELDS[name](record, column[row])
        _FIELDS["signals"](record, _SignalsOf(self._names[row], self._columns, row))
        _FIELDS["layers"](record, self._layers[row])
        _FIELDS["missing"](record, self._missing[row])
        return record

    def take(self, rows: Iterable[int]) -> HeldRecords:
        """Some of them, in this order."""
        chosen = np.fromiter(rows, np.int64)
        other = self._like()
        other._rows = chosen if self._rows is None else self._rows[chosen]
        if self._rows is None and np.array_equal(chosen, np.arange(self._n)):
            return self
        return other

    def where(self, chosen: Iterable[bool]) -> HeldRecords:
        """Those of which something is true, in their order."""
        return self.take(np.flatnonzero(np.fromiter(chosen, np.bool_)))

    # -- columns --------------------------------------------------------------------------------

    def values(self, field: str) -> list[Any]:
        """One field of all records, neither signals nor layers."""
        return list(self.each(field))

    def each(self, field: str) -> Iterator[Any]:
        """The same, one at a time."""
        column = self._missing if field == "missing" else self._plain[field]
        return map(column.__getitem__, self._each_row())

    def reasons(self) -> list[Reasons]:
        """What records lack and why, each combination of that once."""
        return [self._missing.values[i] for i in np.unique(self._codes(self._missing)).tolist()]

    def layer_names(self) -> list[str]:
        """Of all records that were appended, in the order in which they came."""
        return self._layers.names()

    def layer(self, name: str) -> Iterator[array[float] | None]:
        """One per-layer vector of each record, None where it has none."""
        return self._layers.of(name, self._each_row())

    def signal_names(self) -> list[str]:
        """Of all records, in the order in which they come."""
        used = np.unique(self._codes(self._names))
        return list(dict.fromkeys(name for i in used.tolist() for name in self._names.values[i]))

    def signal(self, name: str) -> NDArray[np.float64]:
        """One signal of all records, shape (n,), NaN where it is missing; not to be written to."""
        column = np.frombuffer(self._columns[name], np.float64, self._n)
        own: NDArray[np.float64] = column if self._rows is None else column[self._rows]
        own.flags.writeable = False
        return own

    # -- others of the same ---------------------------------------------------------------------

    def without_signals(self, names: Collection[str]) -> HeldRecords:
        """As `SampleRecord.without_signals` of each."""
        if not names:
            return self
        other = self._like()
        other._names = self._names.changed(lambda own: _without(own, names))
        other._missing = self._missing.changed(lambda own: _without(own, names))
        return other

    def with_same_names(self) -> HeldRecords:
        """Each has the signals and layers of all; what some lack is None, with the reason.

        The reason is that of ``capture`` where a record states none of its own.
        """
        names, layers = self.signal_names(), set(self._layers.names())
        other = self._like()
        other._layers = self._layers.with_names(layers)
        codes, first, pairs = _distinct(self._codes(self._names), self._codes(self._missing))
        completed: list[dict[str, None]] = []
        reasons: list[Reasons] = []
        for row in first.tolist():
            own, why = self._names.values[codes[0][row]], self._missing.values[codes[1][row]]
            absent = sorted(set(names) - own.keys())
            default = why.get("capture", "not captured")
            completed.append({**own, **dict.fromkeys(absent)})
            reasons.append({**why, **{name: why.get(name, default) for name in absent}})
        other._names = Pool.of(completed, self._in_place(pairs))
        other._missing = Pool.of(reasons, other._names.rows)
        return other

    def with_columns(
        self,
        columns: Mapping[str, NDArray[np.float64]],
        reasons: Mapping[str, tuple[Sequence[str], NDArray[np.int64]]],
    ) -> HeldRecords:
        """Each has these signals too.

        Parameters
        ----------
        columns : mapping of str to float array, shape (n,)
            NaN where missing.
        reasons : mapping of str to (sequence of str, int array of shape (n,))
            Of the same signals: reasons, and which of them it is where a value is missing.
        """
        other = self._like()
        other._names = self._names.changed(lambda own: {**own, **dict.fromkeys(columns)})
        for name, values in columns.items():
            own = np.full(self._n, np.nan)
            own[slice(None) if self._rows is None else self._rows] = values
            other._columns[name] = array("d", own.tobytes())
        lacks = [np.where(np.isnan(v), reasons[n][1], -1) for n, v in columns.items()]
        codes, first, rows = _distinct(self._codes(self._missing), *lacks)
        found: list[Reasons] = []
        for row in first.tolist():
            own_reasons = dict(self._missing.values[codes[0][row]])
            for (name, (texts, _)), which in zip(reasons.items(), codes[1:], strict=True):
                if which[row] >= 0:
                    own_reasons[name] = texts[which[row]]
            found.append(own_reasons)
        other._missing = Pool.of(found, self._in_place(rows))
        return other

    def _like(self) -> HeldRecords:
        other = HeldRecords.__new__(HeldRecords)
        other.__dict__.update(self.__dict__)
        other._columns = dict(self._columns)
        return other

    def _codes(self, pool: Pool[Any]) -> NDArray[np.int32]:
        """Numbers of the values of a pool, of each record."""
        codes = np.frombuffer(pool.rows, np.int32, self._n)
        return codes if self._rows is None else codes[self._rows]

    def _in_place(self, codes: NDArray[np.int64]) -> array[int]:
        """Numbers of each record, as rows of the columns."""
        if self._rows is not None:
            whole = np.zeros(self._n, np.int64)
            whole[self._rows] = codes
            codes = whole
        return array("i", codes.astype(np.int32).tobytes())


def _without(own: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {name: value for name, value in own.items() if name not in names}


def _distinct(
    *columns: NDArray[Any],
) -> tuple[tuple[NDArray[Any], ...], NDArray[np.int64], NDArray[np.int64]]:
    """The columns; a row of each combination of their values; and which combination rows have."""
    rows = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, own = np.unique(column, return_inverse=True)
        _, rows = np.unique(rows * (int(own.max(initial=0)) + 1) + own, return_inverse=True)
    _, first, rows = np.unique(rows, return_index=True, return_inverse=True)
    return columns, first, rows
