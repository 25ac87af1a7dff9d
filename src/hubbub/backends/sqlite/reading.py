"""Queries for logs. Each is one statement, so that it sees one state of the file, and one step (see `connection`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from hubbub.backends.sqlite.connection import Connection
from hubbub.delivery.ring import Entry

_BEYOND = 1 << 62
"""Above every offset."""


class StoredLog(Struct, array_like=True):
    """What is known of a log when somebody asks for it. `touched` in milliseconds since 1970."""

    name: str
    id: int
    epoch: str
    head: int
    floor: int
    touched: int


class StoredId(Struct, array_like=True):
    """A message id that a session used, the time in milliseconds since 1970, and where the record stands."""

    session: str
    id: int
    message_id: str
    epoch: str
    offset: int
    at: int


class Query(NamedTuple):
    """What is asked of a log: at most `limit` records between the exclusive offsets, ascending.

    When there are more they are the oldest, or with `newest` the newest.
    """

    after: int
    before: int | None
    limit: int
    newest: bool


class StoredPage(Struct):
    """A stretch of a log on disk; `complete` as in `Page`, `floor` is the last offset that somebody missed."""

    entries: list[Entry]
    head: int
    floor: int
    complete: bool


class Ids(Struct):
    """The first ids that are free in the tables `logs` and `seen`, and the epoch of logs that begin."""

    log: int
    seen: int
    epoch: str


def load_ids(connection: Connection) -> Ids:
    """What must be known before anything is written."""
    row = connection.execute(
        "SELECT (SELECT max(id) FROM logs), (SELECT max(id) FROM seen), (SELECT value FROM meta WHERE name = 'epoch')"
    ).fetchone()
    return Ids((row[0] or 0) + 1, (row[1] or 0) + 1, row[2])


def load_logs(connection: Connection, names: Sequence[str]) -> list[StoredLog]:
    """Those of the logs that exist."""
    row = connection.execute(
        "SELECT json_group_array(json_array(name, id, epoch, head, floor, touched)) FROM logs "
        "WHERE name IN (SELECT value FROM json_each(?))",
        (_json(names),),
    ).fetchone()
    return _decode_logs(row[0])


def load_seen(connection: Connection, sessions: Sequence[str], since: int) -> list[StoredId]:
    """The message ids that these sessions used since then (milliseconds), the oldest first."""
    row = connection.execute(
        "SELECT json_group_array(json_array(session, id, message_id, epoch, offset, at)) FROM "
        "(SELECT * FROM seen WHERE session IN (SELECT value FROM json_each(?)) AND at >= ? ORDER BY id)",
        (_json(sessions), since),
    ).fetchone()
    return _decode_seen(row[0])


def load_page(connection: Connection, *, log: int, query: Query, floor: int, cutoff: int) -> StoredPage:
    """A page of the log with that number.

    What is at offsets up to `floor`, or older than `cutoff` (milliseconds), counts as gone; with 0 nothing does.
    """
    values = {
        "log": log,
        "after": max(query.after, floor),
        "below": _BEYOND if query.before is None else query.before,
        "cutoff": cutoff,
        "most": query.limit + 1,
    }
    row = connection.execute(_NEWEST if query.newest else _FORWARD, values).fetchone()
    if row is None:
        return StoredPage([], 0, floor, True)
    head, stored_floor, expired, places, joined = row
    entries = _split(_decode_places(places), joined)
    complete = len(entries) <= query.limit
    del entries[query.limit :]
    if query.newest:
        entries.reverse()
    return StoredPage(entries, head, max(floor, stored_floor, expired or 0), complete)


def _split(places: list[tuple[int, int]], joined: bytes | None) -> list[Entry]:
    entries = []
    start = 0
    for offset, length in places:
        entries.append((offset, b"" if joined is None else joined[start : start + length]))
        start += length
    return entries


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()


_decode_logs = msgspec.json.Decoder(list[StoredLog]).decode
_decode_seen = msgspec.json.Decoder(list[StoredId]).decode
_decode_places = msgspec.json.Decoder(list[tuple[int, int]]).decode

# `expired` is the last record older than the cutoff, among those before the first that is not.
# SQLite takes the bytes of a blob as they are when it is joined as text.
_PAGE = """
    SELECT logs.head, logs.floor, (
        SELECT offset FROM records WHERE log = :log AND offset < coalesce(
            (SELECT offset FROM records WHERE log = :log AND at >= :cutoff ORDER BY offset LIMIT 1), {beyond}
        ) AND :cutoff > 0 ORDER BY offset DESC LIMIT 1
    ), page.places, page.records FROM logs, (
        SELECT json_group_array(json_array(offset, length(record))) AS places,
        CAST(group_concat(record, '') AS BLOB) AS records FROM (
            SELECT offset, record FROM records
            WHERE log = :log AND offset > :after AND offset < :below AND at >= :cutoff
            ORDER BY offset {order} LIMIT :most
        )
    ) AS page WHERE logs.id = :log
"""
_FORWARD = _PAGE.format(beyond=_BEYOND, order="ASC")
_NEWEST = _PAGE.format(beyond=_BEYOND, order="DESC")
