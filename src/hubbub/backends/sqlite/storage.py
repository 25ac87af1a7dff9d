"""The way in: one file with everything that is to outlive the process."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import isawaitable
from pathlib import Path
from typing import TypedDict, Unpack

from hubbub.backends.sqlite.connection import Connect, connect
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.directory import SqliteDirectory
from hubbub.backends.sqlite.log import SqliteLog
from hubbub.backends.sqlite.opening import Fsync, boot_id
from hubbub.backends.sqlite.sessions import SqliteSessions
from hubbub.backends.sqlite.snapshots import SqliteSnapshots
from hubbub.delivery.retention import RetentionPolicy


class LogOptions(TypedDict, total=False):
    """What `SqliteLog` can be told."""

    retention: RetentionPolicy | None
    memory: int
    ring_messages: int
    ring_bytes: int
    dedup_window: int
    dedup_age: float


class SqliteStorage:
    """A log, sessions, a directory and snapshots in one file. Each may be closed by itself; `close` closes them all."""

    def __init__(self, database: Database, log: SqliteLog) -> None:
        self.database = database
        self.log = log
        self.sessions = SqliteSessions(database)
        self.directory = SqliteDirectory(database)
        self.snapshots = SqliteSnapshots(database)

    async def close(self) -> None:
        """Everything accepted is on disk, and the file can be opened by another hub."""
        for part in (self.sessions, self.directory, self.snapshots, self.log):
            left = part.close()
            if isawaitable(left):
                await left


def open_storage(
    path: str | Path,
    *,
    fsync: Fsync = "full",
    inline: bool = False,
    wall: Callable[[], float] = time.time,
    boot: Callable[[], str] = boot_id,
    connect: Connect = connect,
    **log: Unpack[LogOptions],
) -> SqliteStorage:
    """Opens a file, or makes it; blocks until that is done. Close what you get.

    What is not named here goes to `SqliteLog` (`retention`, `memory`, ...), the rest is as in `Database`. Raises
    `ConfigurationError` (setting `log`) when the file cannot be used: it says why, and what to do.
    """
    database = Database(path, fsync=fsync, inline=inline, wall=wall, boot=boot, connect=connect)
    try:
        return SqliteStorage(database, SqliteLog(database, **log))
    except BaseException:
        database.abandon()
        raise
