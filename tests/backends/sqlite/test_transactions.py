import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from hubbub.backends.sqlite.connection import Connection
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.storage import open_storage
from hubbub.errors import TryLater
from hubbub.ports import Append, Appended, Refused
from hubbub.ports.answers import answer
from tests.backends.sqlite.helpers import close, inline, now
from tests.backends.sqlite.tap import Tap, failure


def note(connection: Connection, *, name: str) -> str:
    connection.execute("INSERT INTO facts VALUES (?, ?)", (name, b""))
    return name


async def test_what_comes_during_a_commit_goes_into_one_transaction(tmp_path: Path) -> None:
    tap = Tap()
    database = Database(tmp_path / "hub.db", connect=tap)
    database.join()
    tap.hold()
    first = asyncio.ensure_future(_later(database, "first"))
    await asyncio.to_thread(tap.waiting.wait)
    tap.statements.clear()
    others = [asyncio.ensure_future(_later(database, f"{number}")) for number in range(100)]
    await asyncio.sleep(0)
    assert not first.done(), "the loop goes on while the disk is awaited"
    tap.gate.set()
    assert await asyncio.gather(first, *others) == ["first", *map(str, range(100))]
    assert tap.statements.count("COMMIT") == 1
    await answer(database.leave())


async def _later(database: Database, name: str) -> str:
    return await answer(database.change(partial(note, name=name)))


async def test_one_that_fails_by_itself_does_not_take_the_others_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tap = Tap()
    database = Database(tmp_path / "hub.db", connect=tap)
    database.join()
    tap.hold()
    first = asyncio.ensure_future(_later(database, "first"))
    await asyncio.to_thread(tap.waiting.wait)
    names = ["a", "b", "first", "c"]
    others = [asyncio.ensure_future(_later(database, name)) for name in names]
    await asyncio.sleep(0)
    tap.gate.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [result for result in results if isinstance(result, str)] == ["first", "a", "b", "c"]
    assert isinstance(results[3], TryLater)
    assert "what was to be stored was not" in caplog.text
    await answer(database.leave())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY])
async def test_a_disk_that_fails_is_told_of_once_and_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    tap = Tap()
    database = Database(tmp_path / "hub.db", connect=tap)
    database.join()
    tap.failing["COMMIT"] = failure(code)
    for _ in range(3):
        with pytest.raises(TryLater) as raised:
            await _later(database, "x")
        assert raised.value.code == "unavailable"
    tap.failing.clear()
    assert await _later(database, "x") == "x"
    assert [record.getMessage() for record in caplog.records] == [
        "the store on disk cannot be written: made to fail",
        "the store on disk can be written again",
    ]
    await answer(database.leave())


async def test_a_connection_that_cannot_be_rolled_back_is_replaced(tmp_path: Path) -> None:
    tap = Tap()
    database = Database(tmp_path / "hub.db", connect=tap)
    database.join()
    tap.failing["COMMIT"] = tap.failing["ROLLBACK"] = failure(sqlite3.SQLITE_IOERR)
    with pytest.raises(TryLater):
        await _later(database, "x")
    tap.failing.clear()
    assert await _later(database, "x") == "x"
    await answer(database.leave())


async def test_a_file_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tap = Tap()
    storage = open_storage(tmp_path / "hub.db", connect=tap)
    tap.failing["SELECT"] = failure(sqlite3.SQLITE_CORRUPT)
    for question in (storage.log.read("a", limit=1), storage.log.head("a"), storage.directory.get("a")):
        with pytest.raises(TryLater, match="unavailable: the store on disk is damaged"):
            await answer(question)
    (result,) = await answer(storage.log.append([Append("a", b"1")]))
    assert isinstance(result, Refused)
    assert result.code == "unavailable"
    tap.failing.clear()
    assert isinstance((await answer(storage.log.append([Append("a", b"1")])))[0], Appended)
    await storage.close()
    assert "cannot be read" in caplog.text


async def test_what_is_asked_after_the_end_is_answered(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "hub.db")
    await storage.close()
    (result,) = now(storage.log.append([Append("a", b"1")]))
    assert result == Refused("unavailable", "the log is closed")
    storage.log.forget("nobody")
    for question in (storage.log.read("a", limit=1), storage.log.head("a"), storage.directory.put("a", b"")):
        with pytest.raises(TryLater, match="closed"):
            await answer(question)
    await storage.close()


async def test_a_part_may_be_closed_before_the_others(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    storage = open_storage(tmp_path / "hub.db")
    await answer(storage.directory.put("a", b"1"))
    assert storage.directory.close() is None
    assert storage.sessions.close() is None
    await answer(storage.snapshots.latest("a"))
    assert storage.snapshots.close() is None
    assert isinstance((await answer(storage.log.append([Append("a", b"1")])))[0], Appended)
    await answer(storage.log.close())
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name.startswith("hubbub-sqlite")]
    close(inline(tmp_path / "hub.db"))
