"""Columns of many values in little memory: equal ones once, texts and vectors end to end."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Shape = tuple[tuple[str, int | None], ...]  # name and length of each vector


class Pool(Generic[T]):
    """A column of values of which many are equal: each once, and its number in each row."""

    __slots__ = ("_numbers", "rows", "values")

    def __init__(self) -> None:
        self.values: list[T] = []
        self.rows = array("i")
        self._numbers: dict[Any, int] = {}

    def append(self, value: T, key: Any = None) -> None:  # noqa: ANN401
        """Add a row; ``key`` stands for a value that cannot be hashed."""
        self.rows.append(self.number(value, key))

    def number(self, value: T, key: Any = None) -> int:  # noqa: ANN401
        """Number of a value, which is added if it is new."""
        key = value if key is None else key
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found

    def __getitem__(self, row: int) -> T:
        return self.values[self.rows[row]]

    def changed(self, function: Callable[[T], T]) -> Pool[T]:
        """A column whose values are those of a function of these; the rows are shared."""
        other: Pool[T] = Pool()
        other.values, other.rows = list(map(function, self.values)), self.rows
        return other

    @classmethod
    def of(cls, values: list[T], rows: array[int]) -> Pool[T]:
        """A column of values and of rows that number them."""
        other: Pool[T] = cls()
        other.values, other.rows = values, rows
        return other


class Texts:
    """A column of texts that mostly differ: their bytes, one after another."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])

    def append(self, text: str) -> None:
        """Add a row."""
        self._bytes += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._bytes))

    def __getitem__(self, row: int) -> str:
        found = self._bytes[self._ends[row] : self._ends[row + 1]]
        return found.decode("utf-8", "surrogatepass")


class Lists:
    """A column of lists of texts, equal texts once."""

    __slots__ = ("_ends", "_words")

    def __init__(self) -> None:
        self._words: Pool[str] = Pool()
        self._ends = array("q", [0])

    def append(self, words: Iterable[str]) -> None:
        """Add a row."""
        for word in words:
            self._words.append(word)
        self._ends.append(len(self._words.rows))

    def __getitem__(self, row: int) -> list[str]:
        words = self._words.values
        return [words[i] for i in self._words.rows[self._ends[row] : self._ends[row + 1]]]


class Numbers:
    """A column of numbers or None."""

    __slots__ = ("_none", "_values")

    def __init__(self, code: str, none: float) -> None:
        self._values: array[Any] = array(code)
        self._none = none

    def append(self, value: float | None) -> None:
        """Add a row."""
        self._values.append(self._none if value is None else value)

    def __getitem__(self, row: int) -> Any:  # noqa: ANN401
        value = self._values[row]
        return None if value == self._none else value


class Vectors:
    """A column of several named vectors each: (name, length or None) of each row, and the values.

    A name without a vector is there with the length None.
    """

    __slots__ = ("_shapes", "_starts", "_values")

    def __init__(self) -> None:
        self._shapes: Pool[Shape] = Pool()
        self._values, self._starts = array("d"), array("q")

    def append(self, names: Iterable[str], vectors: Iterable[Sequence[float] | None]) -> None:
        """Add a row."""
        self._starts.append(len(self._values))
        shape = []
        for name, own in zip(names, vectors, strict=True):
            shape.append((name, None if own is None else len(own)))
            self._values.extend(own or ())
        self._shapes.append(tuple(shape))

    def __getitem__(self, row: int) -> dict[str, list[float] | None]:
        start, found = self._starts[row], {}
        for name, length in self._shapes[row]:
            found[name] = None if length is None else self._values[start : start + length].tolist()
            start += length or 0
        return found

    def of(self, name: str, rows: Iterable[int]) -> Iterator[array[float] | None]:
        """One vector of each of some rows, None where a row has none."""
        places = [_place(shape, name) for shape in self._shapes.values]
        for row in rows:
            place = places[self._shapes.rows[row]]
            if place is None:
                yield None
            else:
                start = self._starts[row] + place[0]
                yield self._values[start : start + place[1]]

    def names(self) -> list[str]:
        """Of all rows, in the order in which they came."""
        return list(dict.fromkeys(name for shape in self._shapes.values for name, _ in shape))

    def with_names(self, names: set[str]) -> Vectors:
        """The same column, every row of which has all of these names."""
        other = Vectors()
        other._values, other._starts = self._values, self._starts
        other._shapes = self._shapes.changed(lambda shape: _completed(shape, names))
        return other


def _completed(shape: Shape, names: set[str]) -> Shape:
    return (*shape, *((name, None) for name in sorted(names - {name for name, _ in shape})))


def _place(shape: Shape, name: str) -> tuple[int, int] | None:
    """Where a vector stands among those of its row, and its length."""
    start = 0
    for own, length in shape:
        if own == name:
            return None if length is None else (start, length)
        start += length or 0
    return None
