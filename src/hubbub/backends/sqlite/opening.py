"""From a path to a connection that can be written to, or a `ConfigurationError` that says what to do."""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path
from typing import Literal

from hubbub.backends.sqlite.connection import Connect, Connection
from hubbub.backends.sqlite.lock import FileLock
from hubbub.backends.sqlite.mending import mend
from hubbub.backends.sqlite.schema import APPLICATION, SNAPSHOTS, TABLES, VERSION
from hubbub.errors import ConfigurationError

Fsync = Literal["full", "normal", "off"]

_OLDEST_SQLITE = (3, 35, 0)
_WAL_PAGES = 4000
"""Pages in the write-ahead log after which they are brought into the file."""
_WAL_BYTES = 64 * 1024 * 1024
"""What the write-ahead log is cut to when it once had to grow."""
_EMPTY_FOR = 30 * 24 * 3600
"""Seconds after which an emptied log is forgotten, with its epoch and last offset."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """What is another one after the machine was started anew; empty where that cannot be known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def claim(path: Path) -> FileLock:
    """Makes the file, for this user only, if it is not there, and takes its lock. Raises `ConfigurationError`.

    A file that is there is not opened here: closing it would drop the locks that SQLite has on it in this process.
    """
    if path.is_dir():
        raise ConfigurationError("log", f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise ConfigurationError("log", f"there is no directory {path.parent}; create it, or name another file")
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise _unwritable(path, f"{place} is read-only")
    try:
        lock = FileLock(path)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None
    try:
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        lock.release()
        raise _unwritable(path, error.strerror or str(error)) from None
    return lock


def open_connection(path: Path, connect: Connect, fsync: Fsync) -> Connection:
    """A connection to write with, for which nothing is checked. Raises `sqlite3.Error`."""
    connection = connect(path, False)
    try:
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA synchronous = {fsync}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_checked(path: Path, connect: Connect, fsync: Fsync, boot: str, now: float) -> Connection:
    """A connection to a file with all tables and marked as in use. Raises `ConfigurationError`.

    `now` in seconds since 1970. Where the last run may have lost what it had acknowledged, every log is in a new
    epoch.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError("log", f"SQLite {sqlite3.sqlite_version} is too old; 3.35 is the oldest that will do")
    try:
        connection = open_connection(path, connect, "full")
        try:
            _prepare(connection, path, fsync, boot, now)
            connection.execute(f"PRAGMA synchronous = {fsync}")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explain_opening(path, error) from error
    return connection


def mark_closed(connection: Connection) -> None:
    """The run ended in order, and everything is on disk. Raises `sqlite3.Error`."""
    _bring_home(connection)
    connection.execute("UPDATE meta SET value = '1' WHERE name = 'clean'")


def read_meta(connection: Connection) -> dict[str, str]:
    """What the file says of itself: `epoch`, of logs that begin; `boot`, `clean`, `fsync` and `runs`."""
    return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def _prepare(connection: Connection, path: Path, fsync: Fsync, boot: str, now: float) -> None:
    _check_kind(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise ConfigurationError("log", f"{path}: a write-ahead log is not possible there; name a file on a local disk")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for table in TABLES:
            connection.execute(table)
        values = ("epoch", _new_epoch(), "boot", boot, "clean", "1", "fsync", fsync, "runs", "0")
        connection.execute("INSERT INTO meta VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)", values)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
    elif version == 1:
        for table in SNAPSHOTS:
            connection.execute(table)
    if version < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
    _bring_home(connection)
    connection.execute("BEGIN IMMEDIATE")
    _begin_run(connection, path, fsync, boot, now)
    connection.execute("COMMIT")
    # In the file itself, too: with `off` the write-ahead log may be overwritten before its content is on disk.
    _checkpoint(connection)


def _check_kind(connection: Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (application or version or tables):
        raise ConfigurationError("log", f"{path} belongs to another program; name another file")
    if version > VERSION:
        raise ConfigurationError("log", f"{path} was written by a newer Hubbub; upgrade, or name another file")


def _bring_home(connection: Connection) -> None:
    """Everything written so far is on disk, also what earlier runs wrote without waiting for it.

    A checkpoint that finds nothing to do waits for nothing, so that something is written first.
    """
    connection.execute("PRAGMA synchronous = full")
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'runs'")
    _checkpoint(connection)


def _checkpoint(connection: Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _begin_run(connection: Connection, path: Path, fsync: Fsync, boot: str, now: float) -> None:
    meta = read_meta(connection)
    epoch = meta["epoch"]
    crashed = meta["clean"] != "1" and not (boot and boot == meta["boot"])
    if crashed and meta["fsync"] != "full":
        # Acknowledged records may be gone, and their offsets will be given to others.
        if meta["fsync"] == "off":
            mend(connection, path)
        epoch = _new_epoch()
        connection.execute("UPDATE logs SET epoch = ?", (epoch,))
    forgotten = connection.execute(
        "DELETE FROM logs WHERE records = 0 AND kept = 0 AND touched < ?", (int((now - _EMPTY_FOR) * 1000),)
    )
    if forgotten.rowcount > 0:
        # Should one of them return, it is another log.
        epoch = _new_epoch()
    for name, value in (("epoch", epoch), ("boot", boot), ("clean", "0"), ("fsync", fsync)):
        connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


def _new_epoch() -> str:
    return secrets.token_hex(6)


def _unwritable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "log", f"{path} cannot be written: {why}; give this user the right to, or name another file"
    )


def explain_opening(path: Path, error: sqlite3.Error) -> ConfigurationError:
    """Why the file cannot be used, and what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return _unwritable(path, str(error))
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return ConfigurationError(
            "log", f"{path} is damaged or no SQLite file ({error}); restore it from a copy, or name another file"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return ConfigurationError("log", f"{path} is locked by another program; stop it, or name another file")
    if code == sqlite3.SQLITE_FULL:
        return ConfigurationError("log", f"the disk of {path} is full; make room, or name another file")
    return ConfigurationError("log", f"{path} cannot be opened: {error}; mend that, or name another file")
