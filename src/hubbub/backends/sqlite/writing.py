"""Everything that changes logs on disk. Runs where writing is done, in transactions that others begin and end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec.structs import astuple

from hubbub.backends.sqlite.connection import Connection, insert
from hubbub.backends.sqlite.schema import age_limit
from hubbub.backends.sqlite.trimming import LogRow, drop, is_over, supersede, trim
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.errors import TryLater

_ROWS = 10_000
"""Rows of `logs` that are remembered, so that they need not be read for each commit."""

_LOGS_A_SWEEP = 500
_SEEN_A_SWEEP = 2000

_ROW = "json_array(id, name, epoch, head, floor, start, records, size, kept, touched)"
_ROWS_BY_ID = (
    "SELECT json_group_array(" + _ROW + ") FROM logs WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
)
_NEXT_ROWS = (
    "SELECT json_group_array(json_array(" + _ROW + ", "  # noqa: S608
    "(SELECT at FROM records WHERE log = id AND offset >= start ORDER BY offset LIMIT 1))) "
    "FROM (SELECT * FROM logs WHERE id > ? ORDER BY id LIMIT ?)"
)
_REPLACE = (
    " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, head = excluded.head, floor = excluded.floor, "
    "start = excluded.start, records = excluded.records, size = excluded.size, kept = excluded.kept, "
    "touched = excluded.touched"
)

_decode_rows = msgspec.json.Decoder(list[LogRow]).decode
_decode_next_rows = msgspec.json.Decoder(list[tuple[LogRow, int | None]]).decode


class Touched:
    """What a batch does to one log. `floor` is filled in when it is written.

    With `expected` the batch is written only if the log ends there.
    """

    __slots__ = ("at", "count", "epoch", "expected", "floor", "head", "id", "keys", "name", "retention", "size")

    def __init__(self, id: int, name: str, epoch: str, retention: Retention) -> None:
        self.id = id
        self.name = name
        self.epoch = epoch
        self.retention = retention
        self.head = 0
        self.at = 0
        """When its last record was appended, in milliseconds since 1970."""
        self.count = 0
        self.size = 0
        self.keys: list[str] = []
        self.floor = 0
        self.expected: int | None = None

    def add(self, offset: int, at: int, size: int, key: str | None) -> None:
        """One more record."""
        self.head = offset
        self.at = at
        self.count += 1
        self.size += size
        if key is not None:
            self.keys.append(key)


class Batch:
    """What is to be written together."""

    __slots__ = ("logs", "outdated", "records", "seen")

    def __init__(self) -> None:
        self.records: list[Any] = []
        """The columns of `records`, row after row."""
        self.seen: list[Any] = []
        """The columns of `seen`, row after row."""
        self.outdated: list[int] = []
        """The ids of rows of `seen` that nobody needs any more."""
        self.logs: dict[int, Touched] = {}


class LogWriter:
    """Writes batches, and keeps the logs within their retention. `wall` gives the seconds since 1970."""

    def __init__(self, policy: RetentionPolicy, wall: Callable[[], float], dedup_age: float) -> None:
        self._policy = policy
        self._wall = wall
        self._dedup_age = dedup_age
        self._rows: OrderedDict[int, LogRow] = OrderedDict()
        self._swept = 0
        """The id of the log that was looked at last."""

    def write(self, connection: Connection, batches: Sequence[Batch]) -> Sequence[TryLater | None]:
        """Writes the batches of a transaction, but those that were to follow what is not there."""
        self._load(connection, {id for batch in batches for id in batch.logs})
        outcomes = self._judge(batches)
        self._write(connection, [batch for batch, stale in zip(batches, outcomes, strict=True) if stale is None])
        return outcomes

    def _judge(self, batches: Sequence[Batch]) -> list[TryLater | None]:
        """Which batches count on a record before them that was not written after all."""
        outcomes: list[TryLater | None] = []
        heads: dict[int, int] = {}
        for batch in batches:
            known = [(touched, heads.get(touched.id, self._head(touched.id))) for touched in batch.logs.values()]
            if any(touched.expected not in (None, head) for touched, head in known):
                outcomes.append(TryLater("unavailable", "what it was to follow was not stored"))
                continue
            heads.update((touched.id, touched.head) for touched, _ in known)
            outcomes.append(None)
        return outcomes

    def _head(self, id: int) -> int:
        row = self._rows.get(id)
        return 0 if row is None else row.head

    def _write(self, connection: Connection, batches: Sequence[Batch]) -> None:
        insert(connection, "INSERT INTO records VALUES ", 5, _joined([batch.records for batch in batches]))
        insert(connection, "INSERT INTO seen VALUES ", 7, _joined([batch.seen for batch in batches]))
        outdated = _joined([batch.outdated for batch in batches])
        if outdated:
            connection.execute("DELETE FROM seen WHERE id IN (SELECT value FROM json_each(?))", (_json(outdated),))
        rows = {}
        for batch in batches:
            for touched in batch.logs.values():
                rows[touched.id] = self._count(connection, touched)
        self._store(connection, rows.values())

    def drop(self, connection: Connection, wanted: Sequence[tuple[int, int]]) -> Sequence[int]:
        """Drops the records of each log (by id) up to an offset. Returns the last offsets that are gone then."""
        self._load(connection, {id for id, _ in wanted})
        floors = []
        for id, upto in wanted:
            row = self._rows[id]
            drop(connection, row, min(upto, row.head))
            floors.append(row.floor)
        self._store(connection, [self._rows[id] for id in dict(wanted)])
        return floors

    def forget(self, connection: Connection, sessions: Sequence[str]) -> Sequence[None]:
        """Deletes all idempotency keys of these sessions."""
        connection.execute(
            "DELETE FROM seen WHERE session IN (SELECT value FROM json_each(?))", (_json(list(sessions)),)
        )
        return [None] * len(sessions)

    def rolled_back(self) -> None:
        """What is remembered may not be what is stored."""
        self._rows.clear()

    def sweep(self, connection: Connection) -> bool:
        """Ages out what nobody touches: some logs, one after another, and some idempotency keys."""
        cutoff = age_limit(self._wall(), self._dedup_age)
        # Ids grow with time, so that the old ones are the first.
        deleted = connection.execute(
            f"DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY id LIMIT {_SEEN_A_SWEEP}) AND at < ?",  # noqa: S608
            (cutoff,),
        )
        more = self._sweep_logs(connection)
        return more or deleted.rowcount == _SEEN_A_SWEEP

    def _sweep_logs(self, connection: Connection) -> bool:
        found = _decode_next_rows(connection.execute(_NEXT_ROWS, (self._swept, _LOGS_A_SWEEP)).fetchone()[0])
        changed = []
        more = False
        for stored, at in found:
            row = self._rows.get(stored.id, stored)
            retention = self._policy.of(row.name)
            cutoff = age_limit(self._wall(), retention.age)
            if is_over(row, retention) or (at is not None and at < cutoff):
                changed.append(row)
                more = trim(connection, row, retention, cutoff)
                if more:
                    break
            self._swept = row.id
        if not more and len(found) < _LOGS_A_SWEEP:
            self._swept = 0
        self._store(connection, changed)
        return more

    def _load(self, connection: Connection, ids: Iterable[int]) -> None:
        missing = [id for id in ids if id not in self._rows]
        if missing:
            for row in _decode_rows(connection.execute(_ROWS_BY_ID, (_json(missing),)).fetchone()[0]):
                self._rows[row.id] = row

    def _count(self, connection: Connection, touched: Touched) -> LogRow:
        row = self._rows.get(touched.id)
        if row is None:
            row = self._rows[touched.id] = LogRow(touched.id, touched.name, touched.epoch)
        self._rows.move_to_end(row.id)
        row.epoch = touched.epoch
        row.head = touched.head
        row.touched = touched.at
        row.records += touched.count
        row.size += touched.size
        retention = touched.retention
        if touched.keys:
            supersede(connection, row, touched.keys)
        if is_over(row, retention):
            trim(connection, row, retention, age_limit(self._wall(), retention.age))
        touched.floor = row.floor
        return row

    def _store(self, connection: Connection, rows: Iterable[LogRow]) -> None:
        values: list[Any] = []
        for row in rows:
            values.extend(astuple(row))
        insert(connection, "INSERT INTO logs VALUES ", 10, values, _REPLACE)
        while len(self._rows) > _ROWS:
            self._rows.popitem(last=False)


def _joined(parts: Sequence[list[Any]]) -> list[Any]:
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
