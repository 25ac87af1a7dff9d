"""Sessions on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

from msgspec.structs import astuple

from hubbub.backends.sqlite.connection import Connection
from hubbub.backends.sqlite.database import Database
from hubbub.ports import SessionRecord

_EXPIRED_A_SWEEP = 500

_BY_DIGEST = "SELECT * FROM sessions WHERE digest = ? AND expires > ?"
_BY_USER = "SELECT * FROM sessions WHERE user = ? AND expires > ? ORDER BY created, rowid"
# Without a connection a session is found by none; the last one saved is the one that has it.
_BY_CONNECTION = (
    "SELECT * FROM sessions WHERE connection = ? AND connection <> '' AND expires > ? ORDER BY rowid DESC LIMIT 1"
)


class SqliteSessions:
    """Implements `Sessions`. Where the disk fails, everything raises `TryLater` (`unavailable`).

    What is read is what was committed: wait for a `save` before reading what it saved.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = False
        database.join(sweep=self._sweep)

    def save(self, record: SessionRecord) -> Awaitable[bool] | bool:
        return self._database.change(partial(_save, record=record, now=self._database.wall()))

    def load(self, digest: str) -> Awaitable[SessionRecord | None] | SessionRecord | None:
        return self._database.ask(partial(_find_one, _BY_DIGEST, digest, self._database.wall()))

    def delete(self, digest: str) -> Awaitable[None] | None:
        return self._database.change(partial(_delete, digest=digest))

    def of_user(self, user: str) -> Awaitable[Sequence[SessionRecord]] | Sequence[SessionRecord]:
        return self._database.ask(partial(_find, _BY_USER, user, self._database.wall()))

    def of_connection(self, connection: str) -> Awaitable[SessionRecord | None] | SessionRecord | None:
        return self._database.ask(partial(_find_one, _BY_CONNECTION, connection, self._database.wall()))

    def close(self) -> Awaitable[None] | None:
        """What was saved is on disk before the file is closed, if nobody else uses it."""
        if self._closed:
            return None
        self._closed = True
        return self._database.leave()

    def _sweep(self, connection: Connection) -> bool:
        deleted = connection.execute(
            "DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires <= ? LIMIT ?)",
            (self._database.wall(), _EXPIRED_A_SWEEP),
        )
        return deleted.rowcount == _EXPIRED_A_SWEEP


def _save(connection: Connection, *, record: SessionRecord, now: float) -> bool:
    newer = connection.execute(
        "SELECT 1 FROM sessions WHERE digest = ? AND fence > ? AND expires > ?", (record.digest, record.fence, now)
    )
    if newer.fetchone() is not None:
        return False
    connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(record))
    return True


def _delete(connection: Connection, *, digest: str) -> None:
    connection.execute("DELETE FROM sessions WHERE digest = ?", (digest,))


def _find(sql: str, value: str, now: float, connection: Connection) -> list[SessionRecord]:
    return [SessionRecord(*row) for row in connection.execute(sql, (value, now)).fetchall()]


def _find_one(sql: str, value: str, now: float, connection: Connection) -> SessionRecord | None:
    found = _find(sql, value, now, connection)
    return found[0] if found else None
