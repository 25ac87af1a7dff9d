"""Connections whose statements are seen, held up or made to fail."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hubbub.backends.sqlite.connection import Connection, Cursor, connect


def failure(code: int) -> sqlite3.OperationalError:
    """An error as SQLite raises it."""
    error = sqlite3.OperationalError("made to fail")
    error.sqlite_errorcode = code
    return error


class Tap:
    """A connect factory. What begins with a key of `failing` raises its value; a `COMMIT` waits for the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()
        """Set while a commit waits at the gate."""
        self.failing: dict[str, Exception] = {}
        self.once = False
        """Whether each of these fails once and then no more."""
        self.statements: list[str] = []
        self.reads = 0

    def __call__(self, path: Path, readonly: bool) -> Connection:
        return _Tapped(connect(path, readonly), self, readonly)

    def hold(self) -> None:
        """The next commit waits."""
        self.waiting.clear()
        self.gate.clear()


class _Tapped:
    def __init__(self, inner: Connection, tap: Tap, readonly: bool) -> None:
        self.inner = inner
        self.tap = tap
        self.readonly = readonly

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Cursor:
        tap = self.tap
        if self.readonly:
            tap.reads += 1
        else:
            tap.statements.append(sql)
        if sql == "COMMIT" and not tap.gate.is_set():
            tap.waiting.set()
            assert tap.gate.wait(30)
        for beginning, error in list(tap.failing.items()):
            if sql.lstrip().startswith(beginning):
                if tap.once:
                    del tap.failing[beginning]
                raise error
        return self.inner.execute(sql, parameters)

    @property
    def in_transaction(self) -> bool:
        return self.inner.in_transaction

    def close(self) -> None:
        self.inner.close()
