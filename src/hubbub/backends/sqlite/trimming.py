"""What each log keeps on disk: how much there is, and what goes when it is too much. All of it where one writes."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from hubbub.backends.sqlite.connection import Connection
from hubbub.delivery.retention import Retention

_CHUNK = 2000
"""Records looked at in one go, so that no transaction takes long."""

_MOST_SLACK = 500

_UNKEYED, _NEWEST = 0, 1
"""Kinds of record in a log that conflates; 2 is one that a newer one of its key superseded."""


class LogRow(Struct, array_like=True):
    """One row of the table `logs`; `schema` says what the columns are."""

    id: int
    name: str
    epoch: str
    head: int = 0
    floor: int = 0
    start: int = 1
    records: int = 0
    size: int = 0
    kept: int = 0
    touched: int = 0


def is_over(row: LogRow, retention: Retention) -> bool:
    """Whether it is worth while to trim: up to an eighth too much may stay, so that many go at once."""
    spare = min(retention.messages // 8, _MOST_SLACK)
    return (
        row.records > retention.messages + spare
        or (row.size > retention.size + retention.size // 8 and row.records > 1)
        or row.kept > retention.keys + retention.keys // 8
    )


def trim(connection: Connection, row: LogRow, retention: Retention, cutoff: int) -> bool:
    """Drops what is beyond the retention or older than `cutoff` (milliseconds), as far as it goes in one go.

    The newest record only goes for its age. Changes `row`, but does not store it. Returns whether more is left.
    """
    found = _oldest(connection, row, retention.conflate)
    count = 0
    records, size = row.records, row.size
    for _, at, length, _ in found:
        fits = records <= retention.messages and (size <= retention.size or records == 1)
        if fits and at >= cutoff:
            break
        records -= 1
        size -= length
        count += 1
    more = count == len(found) == _CHUNK
    if count:
        row.records, row.size = records, size
        row.start = found[count - 1][0] + 1
        if retention.conflate:
            _move_out(connection, row, found[:count])
        else:
            row.floor = row.start - 1
            row.kept = 0
            connection.execute("DELETE FROM records WHERE log = ? AND offset < ?", (row.id, row.start))
    if row.kept > retention.keys:
        more = _drop_oldest_keys(connection, row, row.kept - retention.keys) or more
    return more


def drop(connection: Connection, row: LogRow, upto: int) -> None:
    """Drops everything up to an offset, whatever the retention says. Changes `row`, but does not store it."""
    if upto <= row.floor:
        return
    gone = connection.execute(
        "SELECT count(*), coalesce(sum(length(record)), 0) FROM records WHERE log = ? AND offset BETWEEN ? AND ?",
        (row.id, row.start, upto),
    ).fetchone()
    deleted = connection.execute("DELETE FROM records WHERE log = ? AND offset <= ?", (row.id, upto))
    row.kept -= deleted.rowcount - gone[0]
    row.records -= gone[0]
    row.size -= gone[1]
    row.start = max(row.start, upto + 1)
    row.floor = upto


def supersede(connection: Connection, row: LogRow, keys: Sequence[str]) -> None:
    """Newer records of these keys were appended: what was kept of them beyond the retention goes."""
    if not row.kept:
        return
    deleted = connection.execute(
        "DELETE FROM records WHERE log = ? AND key IN (SELECT value FROM json_each(?)) AND offset < ?",
        (row.id, msgspec.json.encode(keys).decode(), row.start),
    )
    row.kept -= deleted.rowcount


_OLDEST = """
    SELECT json_group_array(json_array(offset, at, length, kind)) FROM (
        SELECT offset, at, length(record) AS length, 0 AS kind FROM records
        WHERE log = ? AND offset >= ? ORDER BY offset LIMIT ?
    )
"""
_OLDEST_BY_KEY = _OLDEST.replace(
    "0 AS kind",
    """
    CASE WHEN key IS NULL THEN 0 WHEN EXISTS (
        SELECT 1 FROM records AS later
        WHERE later.log = records.log AND later.key = records.key AND later.offset > records.offset
    ) THEN 2 ELSE 1 END AS kind
    """,
)

_Old = tuple[int, int, int, int]
_decode = msgspec.json.Decoder(list[_Old]).decode


def _oldest(connection: Connection, row: LogRow, conflate: bool) -> list[_Old]:
    """The oldest records of the retention: offset, time, bytes, and whether a newer one has its key."""
    sql = _OLDEST_BY_KEY if conflate else _OLDEST
    return _decode(connection.execute(sql, (row.id, row.start, _CHUNK)).fetchone()[0])


def _move_out(connection: Connection, row: LogRow, leaving: Sequence[_Old]) -> None:
    """These records leave the retention of a log that conflates: the newest of each key stay."""
    gone = []
    for offset, _, _, kind in leaving:
        if kind == _NEWEST:
            row.kept += 1
            continue
        gone.append(offset)
        if kind == _UNKEYED:
            row.floor = offset
    if gone:
        connection.execute(
            "DELETE FROM records WHERE log = ? AND offset IN (SELECT value FROM json_each(?))",
            (row.id, msgspec.json.encode(gone).decode()),
        )


def _drop_oldest_keys(connection: Connection, row: LogRow, surplus: int) -> bool:
    last = connection.execute(
        "SELECT offset FROM records WHERE log = ? AND offset < ? ORDER BY offset LIMIT 1 OFFSET ?",
        (row.id, row.start, min(surplus, _CHUNK) - 1),
    ).fetchone()[0]
    deleted = connection.execute("DELETE FROM records WHERE log = ? AND offset <= ?", (row.id, last))
    row.kept -= deleted.rowcount
    row.floor = max(row.floor, last)
    return surplus > _CHUNK
