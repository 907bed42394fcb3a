"""Where the line of each answered document stands, so that no record has to be held.

A record takes 8 KB in memory and its place less than 200 bytes; a run of 214,354 samples has to
fit beside its model.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from loguru import logger

Key = tuple[str, str]  # task, document


class _Place(NamedTuple):
    opening: int
    file: int
    start: int
    size: int


class EntryIndex:
    """Places of lines in the files of a run's parts; of two lines the later opening's counts."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, int]] = {}  # task -> document -> where it is told below
        self._columns = {name: array("q") for name in _Place._fields}
        self._files: list[Path] = []
        self._known: dict[Path, tuple[int, int]] = {}  # file -> its number, bytes that are known
        self._changing = threading.Lock()

    def wrote(
        self, path: Path, opening: int, start: int, keys: Sequence[Key], lines: Sequence[bytes]
    ) -> None:
        """Take note of lines that stand in a file from a byte on."""
        with self._changing:
            number = self._number(path)
            for key, line in zip(keys, lines, strict=True):
                found = self._place(key)
                if found is None or found.opening <= opening:
                    self._note(key, _Place(opening, number, start, len(line)))
                start += len(line)
            self._known[path] = number, start

    def look(
        self, path: Path, opening: int, key_of: Callable[[str], Key], *, is_over: bool
    ) -> None:
        """Take note of the lines of a file that are not known yet.

        ``is_over`` says that nobody writes to it any more. Else a last line without its end is one
        that is being written, and is read when it is whole.
        """
        _, known = self._known.get(path, (0, 0))
        if path.stat().st_size <= known:
            return
        with path.open("rb") as file:
            file.seek(known)
            for line in file:
                if not (is_over or line.endswith(b"\n")):
                    break
                try:
                    self.wrote(path, opening, known, [key_of(line.decode())], [line])
                except ValueError:  # the run was stopped while it was written
                    logger.warning(f"{path}: a line that was not written whole is passed over.")
                known += len(line)
        self.wrote(path, opening, known, [], [])

    def opening(self, key: Key) -> int | None:
        """In which opening a document was answered last; None if it was not."""
        found = self._place(key)
        return None if found is None else found.opening

    def line(self, key: Key) -> str | None:
        """The line of a document, None if there is none."""
        found = self._place(key)
        if found is None:
            return None
        with self._files[found.file].open("rb") as file:
            file.seek(found.start)
            return file.read(found.size).decode()

    def lines(
        self, *, task: str | None = None, by: Callable[[str], Any] | None = None
    ) -> Iterator[str]:
        """Every document's line, in the order in which they stand.

        Of one task alone, and ordered by what ``by`` makes of its documents' names, where these are
        given.
        """
        with self._changing:
            found = [
                (doc_id, row)
                for name, rows in self._rows.items()
                if task in (None, name)
                for doc_id, row in rows.items()
            ]
        found.sort(key=lambda own: self._at(own[1]) if by is None else by(own[0]))
        places = (self._at(row) for _, row in found)
        for number, own in groupby(places, key=lambda place: place.file):
            with self._files[number].open("rb") as file:
                for place in own:
                    file.seek(place.start)
                    yield file.read(place.size).decode()

    def _place(self, key: Key) -> _Place | None:
        row = self._rows.get(key[0], {}).get(key[1])
        return None if row is None else self._at(row)

    def _at(self, row: int) -> _Place:
        return _Place(*(column[row] for column in self._columns.values()))

    def _note(self, key: Key, place: _Place) -> None:
        """A row of its own: whoever reads another one meanwhile finds it whole."""
        for name, column in self._columns.items():
            column.append(getattr(place, name))
        row = len(self._columns["opening"]) - 1
        self._rows.setdefault(key[0], {})[intern(key[1])] = row

    def _number(self, path: Path) -> int:
        if path not in self._known:
            self._known[path] = len(self._files), 0
            self._files.append(path)
        return self._known[path][0]
