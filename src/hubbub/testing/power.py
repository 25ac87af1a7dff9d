"""A disk whose power can be cut: what was not synced is then there in part, or not at all."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from hubbub.backends.sqlite.connection import Connection

_SECTOR = 512
_vfs_numbers = count()


class PowerCut(BaseException):
    """There is no power any more."""


class Content:
    """A file: as it is seen now, and as far as it is safe. What lies between is `pending`, in order."""

    def __init__(self, content: bytes = b"") -> None:
        self.now = bytearray(content)
        self.safe = bytearray(content)
        self.pending: list[tuple[int, bytes | None]] = []
        """Bytes written at a place, or None for a file cut to a length."""

    def change(self, place: int, data: bytes | None) -> None:
        self.pending.append((place, data))
        _apply(self.now, place, data)

    def sync(self) -> None:
        self.safe = bytearray(self.now)
        self.pending.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        """What the disk may hold: of what was not synced some sectors are there and others are not."""
        content = bytearray(self.safe)
        share = chance.choice([0.0, 0.5, 0.9, 1.0])
        for place, data in self.pending:
            if data is None:
                if chance.random() < share:
                    _apply(content, place, None)
                continue
            for start in range(0, len(data), _SECTOR):
                if chance.random() < share:
                    _apply(content, place + start, data[start : start + _SECTOR])
        return bytes(content)


class Disk:
    """Files by name. The power is cut when `fuse` operations that change something were done."""

    def __init__(self, files: dict[str, bytes] | None = None, fuse: int | None = None) -> None:
        self.files = {name: Content(content) for name, content in (files or {}).items()}
        self.fuse = fuse
        self.operations = 0
        self.dead = False
        self.mine = True
        """Whether whoever opened the files is still there."""

    def use(self) -> bool:
        """An operation is about to change something. Says whether it may; raises `PowerCut` when there is none."""
        if not self.mine:
            return False
        if self.dead or self.operations == self.fuse:
            self.dead = True
            raise PowerCut
        self.operations += 1
        return True

    def after_a_cut(self, chance: random.Random) -> dict[str, bytes]:
        """What another start finds."""
        return {name: content.after_a_cut(chance) for name, content in self.files.items()}

    def after_a_kill(self) -> dict[str, bytes]:
        """What another process finds: the system still has everything."""
        return {name: bytes(content.now) for name, content in self.files.items()}

    @contextmanager
    def mounted(self) -> Iterator[Any]:
        """A connect factory for the backend, whose files are on this disk."""
        vfs = _Vfs(self, f"power-{next(_vfs_numbers)}")
        connections: list[_Connection] = []

        def connect(path: Path, readonly: bool) -> Connection:
            connections.append(_Connection(apsw.Connection(str(path), vfs=vfs.name)))
            return connections[-1]

        yield connect
        self.mine = False
        for connection in connections:
            connection.close()
        vfs.unregister()


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk, name: str) -> None:
        self.disk = disk
        self.name = name
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert path is not None, "temporary files are in memory"
        flags[1] = flags[0]
        if path not in self.disk.files:
            self.disk.use()
            self.disk.files[path] = Content()
        file: Any = _File(self.disk, self.disk.files[path])
        return file

    def xAccess(self, pathname: str, flags: int) -> bool:
        return pathname in self.disk.files

    def xDelete(self, filename: str, syncdir: bool) -> None:
        if self.disk.use():
            self.disk.files.pop(filename, None)

    def xFullPathname(self, name: str) -> str:
        return name


class _File:
    def __init__(self, disk: Disk, content: Content) -> None:
        self.disk = disk
        self.content = content

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.content.now[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        if self.disk.use():
            self.content.change(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        if self.disk.use():
            self.content.change(size, None)

    def xSync(self, flags: int) -> None:
        if self.disk.use():
            self.content.sync()

    def xFileSize(self) -> int:
        return len(self.content.now)

    def xSectorSize(self) -> int:
        return _SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0

    def xLock(self, level: int) -> None: ...
    def xUnlock(self, level: int) -> None: ...
    def xClose(self) -> None: ...
    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:
        return False


class _Cursor:
    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self.rows = rows
        self.rowcount = rowcount

    def fetchone(self) -> Any:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[Any]:
        rows, self.rows = self.rows, []
        return rows


class _Connection:
    """An apsw connection as the backend wants it: the few methods of `sqlite3`, and its errors."""

    def __init__(self, inner: apsw.Connection) -> None:
        self.inner = inner
        # Without shared memory, which only one connection can do without.
        self.execute("PRAGMA locking_mode = EXCLUSIVE")

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> _Cursor:
        if "wal_autocheckpoint" in sql:
            # Checkpoints are to be cut short, too.
            sql = "PRAGMA wal_autocheckpoint = 12"
        try:
            rows = list(self.inner.execute(sql, parameters))
        except apsw.Error as error:
            raised = sqlite3.OperationalError(str(error))
            raised.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
            raise raised from error
        return _Cursor(rows, self.inner.changes())

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction

    def close(self) -> None:
        self.inner.close()


def _apply(content: bytearray, place: int, data: bytes | None) -> None:
    if data is None:
        del content[place:]
        return
    if len(content) < place:
        content.extend(bytes(place - len(content)))
    content[place : place + len(data)] = data
