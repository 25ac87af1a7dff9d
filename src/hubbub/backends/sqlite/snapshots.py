"""Snapshots of documents on disk."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

from hubbub.backends.sqlite.connection import Connection
from hubbub.backends.sqlite.database import Database
from hubbub.ports import SavedSnapshot, Snapshot

_COLUMNS = "epoch, revision, at, text, authors"


class SqliteSnapshots:
    """Implements `Snapshots`. Where the disk fails, everything raises `TryLater` (`unavailable`).

    What is read is what was committed: wait for a `save` before reading what it saved. It uses the file from its
    first use on: where there are no documents it need not be closed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._users = 0
        self._closed = False

    def save(self, document: str, snapshot: Snapshot) -> Awaitable[None] | None:
        return self._file().change(partial(_save, document=document, snapshot=snapshot))

    def latest(self, document: str) -> Awaitable[Snapshot | None] | Snapshot | None:
        sql = f"SELECT {_COLUMNS} FROM snapshots WHERE document = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
        return self._file().ask(partial(_find, sql, (document,)))

    def before(self, document: str, epoch: str, revision: int) -> Awaitable[Snapshot | None] | Snapshot | None:
        sql = (
            f"SELECT {_COLUMNS} FROM snapshots WHERE document = ? AND epoch = ? AND revision <= ? "  # noqa: S608
            "ORDER BY revision DESC LIMIT 1"
        )
        return self._file().ask(partial(_find, sql, (document, epoch, revision)))

    def saved(self, document: str) -> Awaitable[Sequence[SavedSnapshot]] | Sequence[SavedSnapshot]:
        return self._file().ask(partial(_saved, document=document))

    def drop(self, document: str, epoch: str, revision: int) -> Awaitable[None] | None:
        return self._file().change(partial(_drop, document=document, epoch=epoch, revision=revision))

    def names(self) -> Awaitable[Sequence[str]] | Sequence[str]:
        return self._file().ask(_names)

    def close(self) -> Awaitable[None] | None:
        """What was saved is on disk before the file is closed, if nobody else uses it."""
        if self._closed:
            return None
        self._closed = True
        return self._database.leave() if self._users else None

    def _file(self) -> Database:
        if not self._users and not self._closed:
            self._database.join()
            self._users = 1
        return self._database


def _save(connection: Connection, *, document: str, snapshot: Snapshot) -> None:
    # Replacing gives it a new id: it is the latest.
    connection.execute(
        "INSERT OR REPLACE INTO snapshots (document, epoch, revision, at, text, authors) VALUES (?, ?, ?, ?, ?, ?)",
        (document, snapshot.epoch, snapshot.revision, snapshot.at, snapshot.text, snapshot.authors),
    )


def _find(sql: str, values: tuple[str | int, ...], connection: Connection) -> Snapshot | None:
    row = connection.execute(sql, values).fetchone()
    return None if row is None else Snapshot(*row)


def _saved(connection: Connection, *, document: str) -> list[SavedSnapshot]:
    rows = connection.execute(
        "SELECT epoch, revision, at FROM snapshots WHERE document = ? ORDER BY id", (document,)
    ).fetchall()
    return [SavedSnapshot(*row) for row in rows]


def _drop(connection: Connection, *, document: str, epoch: str, revision: int) -> None:
    connection.execute(
        "DELETE FROM snapshots WHERE document = :document AND id < "
        "(SELECT id FROM snapshots WHERE document = :document AND epoch = :epoch AND revision = :revision)",
        {"document": document, "epoch": epoch, "revision": revision},
    )


def _names(connection: Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT DISTINCT document FROM snapshots ORDER BY 1").fetchall()]
