"""Facts by name on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

from hubbub.backends.sqlite.connection import Connection
from hubbub.backends.sqlite.database import Database


class SqliteDirectory:
    """Implements `Directory`. Where the disk fails, everything raises `TryLater` (`unavailable`).

    What is read is what was committed: wait for a `put` before reading what it put.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._closed = False
        database.join()

    def get(self, name: str) -> Awaitable[bytes | None] | bytes | None:
        return self._database.ask(partial(_get, name=name))

    def put(self, name: str, value: bytes) -> Awaitable[None] | None:
        return self._database.change(partial(_put, name=name, value=value))

    def create(self, name: str, value: bytes) -> Awaitable[bool] | bool:
        return self._database.change(partial(_create, name=name, value=value))

    def delete(self, name: str) -> Awaitable[None] | None:
        return self._database.change(partial(_delete, name=name))

    def names(self, prefix: str) -> Awaitable[Sequence[str]] | Sequence[str]:
        return self._database.ask(partial(_names, prefix=prefix))

    def close(self) -> Awaitable[None] | None:
        """What was put is on disk before the file is closed, if nobody else uses it."""
        if self._closed:
            return None
        self._closed = True
        return self._database.leave()


def _get(connection: Connection, *, name: str) -> bytes | None:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def _put(connection: Connection, *, name: str, value: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _create(connection: Connection, *, name: str, value: bytes) -> bool:
    return connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value)).rowcount == 1


def _delete(connection: Connection, *, name: str) -> None:
    connection.execute("DELETE FROM facts WHERE name = ?", (name,))


def _names(connection: Connection, *, prefix: str) -> list[str]:
    # Names that begin with the prefix stand together in the order of their bytes.
    rows = connection.execute(
        "SELECT name FROM facts WHERE name >= :prefix AND substr(name, 1, length(:prefix)) = :prefix ORDER BY name",
        {"prefix": prefix},
    ).fetchall()
    return [name for (name,) in rows]
