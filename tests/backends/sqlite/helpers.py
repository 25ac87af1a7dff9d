"""What the tests of this backend have in common."""

import sqlite3
from contextlib import closing
from inspect import isawaitable
from pathlib import Path
from typing import Any

from hubbub.backends.sqlite.log import SqliteLog
from hubbub.backends.sqlite.storage import SqliteStorage, open_storage
from hubbub.ports import Append, Appended, Page
from hubbub.ports.answers import answer


async def append(log: SqliteLog, *items: Append) -> list[Appended]:
    results = await answer(log.append(items))
    assert all(isinstance(result, Appended) for result in results), results
    return [result for result in results if isinstance(result, Appended)]


def numbered(name: str, numbers: range) -> list[Append]:
    return [Append(name, b"%d" % number, "s", f"{name}-{number}") for number in numbers]


def offsets(page: Page) -> list[int]:
    return [offset for offset, _ in page.entries]


class Rows:
    """Looks into a file from beside, once it is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, sql: str) -> Any:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchone()[0]


def now(result: Any) -> Any:
    """What was answered at once."""
    assert not isawaitable(result)
    return result


def inline(path: Path, **given: object) -> SqliteStorage:
    return open_storage(path, inline=True, **given)  # type: ignore[arg-type]


def close(storage: SqliteStorage) -> None:
    for part in (storage.log, storage.sessions, storage.directory, storage.snapshots):
        assert part.close() is None
