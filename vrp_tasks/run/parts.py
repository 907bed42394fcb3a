"""What a run has written before it is complete: parts, a folder of them for each opening.

A run is opened when it starts, and again after each stop. Of two records of one document that of
the later opening counts, and rows beside a record are about it only if they were written in its
opening or a later one: so a document is asked again by just asking it.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.feather as feather
from safetensors import safe_open

from metrics.record.channels import Channel
from metrics.record.records import TABLES, SampleRecord
from metrics.record.shards import pack
from metrics.record.store import ChannelStore
from vrp_tasks.run.entry_index import EntryIndex
from vrp_tasks.run.request_identity import RequestIdentity
from vrp_tasks.whole_files import whole_file, write_arrays, write_text

PARTS = "parts"
# where a sample's channels are -> its record
MakeRecord = Callable[[str | None, int | None], SampleRecord]
# opening and row of a table -> whether the row counts
Rule = Callable[[int, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Exchange:
    """What was asked and what came back, beside a record.

    Attributes
    ----------
    asked : RequestIdentity or None
        None where nobody can tell.
    response : str or None
        The answer as the adapter gave it; None: that of the record.
    sent : str or None
        Which prompt it was, ``<of what>:<SHA-256>``, where that is known.
    """

    asked: RequestIdentity | None = None
    response: str | None = None
    sent: str | None = None


class Entry(NamedTuple):
    """One answered document."""

    record: SampleRecord
    exchange: Exchange

    @property
    def response(self) -> str:
        """The answer as the adapter gave it, for lmms-eval to treat as it does any."""
        own = self.exchange.response
        return self.record.answer if own is None else own

    def to_line(self) -> str:
        """As JSON; NaN is refused."""
        whole = {"record": self.record.to_json(), **asdict(self.exchange)}
        return json.dumps(whole, allow_nan=False) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Entry:
        """Read `to_line`'s form."""
        whole = json.loads(line)
        record, asked = SampleRecord(**whole.pop("record")), whole.pop("asked")
        identity = None if asked is None else RequestIdentity(**asked)
        return cls(record, Exchange(identity, **whole))


class Parts:
    """The parts of one run, written by one rank.

    Parameters
    ----------
    path : Path
        The run folder.
    rank : int
        Of the writer.
    opening : int, optional
        By default the latest.
    """

    def __init__(self, path: Path, *, rank: int, opening: int | None = None) -> None:
        self.path, self.rank = path, rank
        self.opening = opening or max(openings(path), default=1)
        self.here = path / PARTS / str(self.opening)
        self.store = ChannelStore(lambda shard: safe_open(self.path / shard, framework="numpy"))
        self._next: Counter[str] = Counter()  # of this opening, by what is written
        self._next["arrays"] = 1 + max(
            (int(own.stem.rpartition("-")[2]) for own in path.glob(f"arrays-{rank}-*.safetensors")),
            default=-1,
        )
        self._unasked = threading.Lock()
        self._index = EntryIndex()
        self._rules: dict[str, list[Rule]] = {}

    # -- records --------------------------------------------------------------------------------

    def add(
        self,
        make: Sequence[MakeRecord],
        channels: Sequence[Mapping[str, Channel]],
        exchanges: Sequence[Exchange] | None = None,
        *,
        beside: Callable[[list[SampleRecord]], None] = lambda records: None,
    ) -> list[SampleRecord]:
        """Write one part: the channels of some samples, then the records that refer to them.

        Parameters
        ----------
        make : sequence of callable
            Each makes a sample's record of the place of its channels.
        channels : sequence of mapping
            Each sample's channels to keep.
        exchanges : sequence of Exchange, optional
            What each was asked.
        beside : callable
            Given the records just before they are written: whatever else must be there for each
            record that is. After a stop in between, the samples are asked again.

        Returns
        -------
        list of SampleRecord
        """
        number = self._number("arrays")
        shard = f"arrays-{self.rank}-{number}.safetensors"
        columns = pack(channels)
        if columns:
            write_arrays(self.path / shard, columns)
        stored = [any(channel.kept for channel in own.values()) for own in channels]
        records = [
            place(shard, row) if there else place(None, None)
            for row, (place, there) in enumerate(zip(make, stored, strict=True))
        ]
        beside(records)
        told = [Exchange()] * len(records) if exchanges is None else exchanges
        self.add_entries(list(map(Entry, records, told)))
        return records

    def add_entries(self, entries: Sequence[Entry]) -> None:
        """Write answered documents as one part; they are there once this returns."""
        path = self.here / f"{self.rank}-{self._number('records')}.jsonl"
        lines = [entry.to_line().encode() for entry in entries]
        write_text(path, b"".join(lines).decode())
        self._index.wrote(path, self.opening, 0, [_key(own.record) for own in entries], lines)

    def add_unasked(self, entry: Entry) -> None:
        """Write the record of an answer that the model was not asked for; from any thread."""
        path = self.here / f"unasked-{self.rank}.jsonl"
        line = entry.to_line().encode()
        with self._unasked, path.open("ab") as file:
            start = file.tell()
            file.write(line)
            file.flush()
            self._index.wrote(path, self.opening, start, [_key(entry.record)], [line])

    def entry(self, task: str, doc_id: str) -> Entry | None:
        """One document as it was answered last, as far as this rank knows; None if it was not."""
        line = self._index.line((task, doc_id))
        return None if line is None else Entry.from_line(line)

    def entries(
        self, *, task: str | None = None, by: Callable[[str], Any] | None = None
    ) -> Iterator[Entry]:
        """Every document that was answered so far, by any rank, as it was answered last.

        One at a time: all of them are too many to be held. Of one task alone, ordered by what
        ``by`` makes of the documents' names, where these are given.
        """
        self.look()
        for line in self._index.lines(task=task, by=by):
            yield Entry.from_line(line)

    def look(self) -> None:
        """Take note of what other ranks, or this one before a stop, have written."""
        for opening, folder in self._openings():
            is_over = opening < self.opening
            for part in sorted(folder.glob("*.jsonl")):
                self._index.look(part, opening, _key_of, is_over=is_over)

    def records(self) -> list[SampleRecord]:
        """The records of `entries`, all at once."""
        return [entry.record for entry in self.entries()]

    # -- beside the records ---------------------------------------------------------------------

    def note(self, kind: str, entries: Any) -> None:
        """Keep plain data beside the parts until the run is complete, past a stop."""
        write_text(self.new_file(kind, ".json"), json.dumps(entries))

    def notes(self, kind: str) -> list[tuple[int, Any]]:
        """What `note` was given of a kind, by any rank, each with its opening."""
        return [
            (opening, json.loads(part.read_text("utf-8")))
            for opening, folder in self._openings()
            for part in sorted(folder.glob(f"{kind}.*.json"))
        ]

    def add_rows(self, file: str, rows: list[dict[str, Any]]) -> None:
        """Write rows of one of `metrics.record.records.TABLES`; they are there once this returns.

        Parameters
        ----------
        file : str
            Name of the table.
        rows : list of dict
            One per row; every column of the table is a key. Bytes are allowed.
        """
        if rows:
            self.add_table(file, pa.Table.from_pylist(rows, schema=schema_of(file)))

    def add_table(self, file: str, table: pa.Table) -> None:
        """`add_rows` of rows that are a table already."""
        own = table.select(schema_of(file).names).cast(schema_of(file))
        with whole_file(self.new_file(file, ".arrow")) as partial:
            feather.write_feather(own, partial)

    def rows(self, file: str) -> list[dict[str, Any]]:
        """Rows of a table that count, of every rank."""
        return [row for part in self.tables(file) for row in part.to_pylist()]

    def tables(self, file: str) -> Iterator[pa.Table]:
        """The same, a part at a time."""
        for opening, folder in self._openings():
            for path in sorted(folder.glob(f"{file}.*.arrow")):
                part = feather.read_table(path, memory_map=False)
                yield part.filter(pa.array(self._counts(file, opening, part), pa.bool_()))

    def rule(self, file: str, rule: Rule) -> None:
        """From now on rows of a table count only if a rule says so, too."""
        self._rules.setdefault(file, []).append(rule)

    def is_of_record(self, opening: int, task: str, doc_id: str) -> bool:
        """Whether what was written in an opening is about the document's record as it is now.

        As far as this rank knows: `entries` looks at what the others have written.
        """
        since = self._index.opening((task, doc_id))
        return since is not None and opening >= since

    def files(self, pattern: str) -> list[tuple[int, Path]]:
        """Files of the parts, each with its opening."""
        return [
            (opening, path)
            for opening, folder in self._openings()
            for path in sorted(folder.glob(pattern))
        ]

    def new_file(self, stem: str, suffix: str) -> Path:
        """Where the next file of a kind goes."""
        return self.here / f"{stem}.{self.rank}-{self._number(stem)}{suffix}"

    def _counts(self, file: str, opening: int, part: pa.Table) -> list[bool]:
        rules = self._rules.get(file, [])
        if "doc_id" not in part.schema.names:
            return [all(rule(opening, row) for rule in rules) for row in part.to_pylist()]
        return [
            self.is_of_record(opening, row["task"], row["doc_id"])
            and all(rule(opening, row) for rule in rules)
            for row in part.to_pylist()
        ]

    def _number(self, what: str) -> int:
        self._next[what] += 1
        return self._next[what] - 1

    def _openings(self) -> list[tuple[int, Path]]:
        return [(opening, self.path / PARTS / str(opening)) for opening in openings(self.path)]


def openings(path: Path) -> list[int]:
    """The openings of an unfinished run folder, in their order."""
    return sorted(int(own.name) for own in (path / PARTS).glob("*") if own.name.isdigit())


def schema_of(file: str) -> pa.Schema:
    """Columns of one of `metrics.record.records.TABLES`."""
    return pa.schema(
        [
            pa.field(name, _ARROW_TYPES[column.kind], column.nullable)
            for name, column in TABLES[file].items()
        ]
    )


_ARROW_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "bytes": pa.binary()
}  # fmt: skip


def _key_of(line: str) -> tuple[str, str]:
    return _key(Entry.from_line(line).record)


def _key(record: SampleRecord) -> tuple[str, str]:
    return record.task, record.doc_id
