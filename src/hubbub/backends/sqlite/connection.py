"""What of SQLite is used, and how a connection is made.

Every statement gives up Python's global lock at each step, and a thread that gave it up waits up to 5 ms to get it
back while the loop is busy. Measured beside a busy loop, 512 records in one `INSERT` took 15 ms and in 512 of them
227 ms. So whatever has many rows is written and read in one step: `insert` and, in the queries, `json_group_array`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hubbub.errors import TryLater

_MOST_ROWS = 512
_CACHED_STATEMENTS = 256
_BUSY_TIMEOUT = 5.0


class Cursor(Protocol):
    """What a statement leads to."""

    @property
    def rowcount(self) -> int:
        """Rows changed by an INSERT, UPDATE or DELETE."""
        ...

    def fetchone(self) -> Any:
        """The next row as a tuple, or None."""
        ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """The part of `sqlite3.Connection` that is used, in autocommit mode."""

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ..., /) -> Cursor: ...

    @property
    def in_transaction(self) -> bool: ...

    def close(self) -> None: ...


Connect = Callable[[Path, bool], Connection]
"""Opens the file, with True for reading only. Raises `sqlite3.Error`; any thread may use the connection."""


def connect(path: Path, readonly: bool) -> Connection:
    """Opens the file with the SQLite that Python has."""
    mode = "ro" if readonly else "rwc"
    connection: Connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    return connection


def insert(connection: Connection, sql: str, width: int, values: Sequence[Any], tail: str = "") -> None:
    """Executes `sql` (up to and including VALUES) for rows of `width` values each, given one after another.

    The rows go in groups of 512, 256, 128 and so on, so that there are few statements to prepare.
    """
    row = "(" + ",".join("?" * width) + ")"
    done = 0
    rows = _MOST_ROWS
    while done < len(values):
        remaining = (len(values) - done) // width
        while rows > remaining:
            rows //= 2
        connection.execute(sql + ",".join([row] * rows) + tail, values[done : done + rows * width])
        done += rows * width


def explain(error: Exception) -> TryLater:
    """What whoever asked is told of an error of SQLite or of the file system: the code `unavailable`."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return TryLater("unavailable", _REASONS.get(code, "the store on disk fails"))


def is_environment(error: Exception) -> bool:
    """Whether the error comes from the disk and not from what was to be done."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _REASONS


_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_READONLY: "the store on disk is read-only",
    sqlite3.SQLITE_CANTOPEN: "the store on disk cannot be opened",
    sqlite3.SQLITE_BUSY: "the store on disk is locked by another program",
    sqlite3.SQLITE_LOCKED: "the store on disk is locked by another program",
    sqlite3.SQLITE_CORRUPT: "the store on disk is damaged",
    sqlite3.SQLITE_NOTADB: "the store on disk is damaged",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}
