import shutil
import signal
import subprocess
import sys
from inspect import isawaitable
from pathlib import Path

import pytest

from hubbub.backends.sqlite.opening import Fsync
from hubbub.backends.sqlite.storage import open_storage
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, Page, SessionRecord
from hubbub.ports.answers import answer
from hubbub.testing.clock import VirtualClock
from tests.backends.sqlite.helpers import append, close, inline, now, numbered, offsets


async def test_a_restart_keeps_everything(path: Path) -> None:
    wall = VirtualClock()
    record = SessionRecord("d", "s", "ann", "c1", 1.0, 5000.0, b"state", 3)
    storage = open_storage(path, wall=wall, retention=RetentionPolicy(Retention(messages=50)))
    before = await append(storage.log, *numbered("a", range(120)), *numbered("b", range(3)))
    await answer(storage.sessions.save(record))
    await answer(storage.directory.put("room:den", b"here"))
    await storage.close()

    storage = open_storage(path, wall=wall, retention=RetentionPolicy(Retention(messages=50)))
    log = storage.log
    assert await answer(log.head("a")) == await answer(log.head("a"))
    again = await append(log, *numbered("b", range(4)), *numbered("a", range(100, 121)))
    assert [result.repeated for result in again] == [True] * 3 + [False] + [True] * 20 + [False]
    assert [(r.epoch, r.offset) for r in again[4:24]] == [(r.epoch, r.offset) for r in before[100:120]]
    assert (again[3].offset, again[-1].offset) == (4, 121)
    page = await answer(log.read("a", limit=1000))
    assert offsets(page)[-51:] == list(range(71, 122))
    assert page.oldest == offsets(page)[0]
    assert await answer(storage.sessions.of_user("ann")) == [record]
    assert await answer(storage.directory.names("")) == ["room:den"]
    await storage.close()


@pytest.mark.parametrize("fsync", ["full", "off"])
def test_a_process_that_is_killed_loses_nothing_it_acknowledged(path: Path, fsync: str) -> None:
    appender = Path(__file__).with_name("appender.py")
    acknowledged: list[tuple[str, int, str]] = []
    for round in range(3):
        with subprocess.Popen(
            [sys.executable, str(appender), str(path), fsync, str(round)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            wanted = len(acknowledged) + 300
            for line in child.stdout:
                if not line.endswith("\n"):
                    # Killed in the middle of a word.
                    break
                epoch, offset, record = line.split()
                acknowledged.append((epoch, int(offset), record))
                if len(acknowledged) == wanted:
                    child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
    storage = open_storage(path, inline=True, retention=RetentionPolicy(Retention(messages=10**6, size=10**9)))
    page = storage.log.read("a", limit=10**6)
    assert isinstance(page, Page)
    stored = dict(page.entries)
    assert {epoch for epoch, _, _ in acknowledged} == {page.epoch}
    assert [stored[offset] for _, offset, _ in acknowledged] == [record.encode() for _, _, record in acknowledged]
    repeats = storage.log.append([Append("a", b"x", "s", record) for _, _, record in acknowledged[-900:]])
    assert not isawaitable(repeats)
    assert repeats == [Appended(page.epoch, offset, True) for _, offset, _ in acknowledged[-900:]]


@pytest.mark.parametrize("fsync", ["full", "normal", "off"])
@pytest.mark.parametrize("boot", ["same", "other", "unknown"])
@pytest.mark.parametrize("crashed", [True, False])
def test_a_log_is_another_one_where_its_records_may_be_lost(
    tmp_path: Path, fsync: Fsync, boot: str, crashed: bool
) -> None:
    one, other = {"same": ("1", "1"), "other": ("1", "2"), "unknown": ("", "")}[boot]
    first = inline(tmp_path / "hub.db", fsync=fsync, boot=lambda: one)
    (before,) = now(first.log.append([Append("a", b"1", "s", "id")]))
    crash = tmp_path / "crash"
    if crashed:
        shutil.copytree(tmp_path, crash)
    close(first)
    again = inline((crash if crashed else tmp_path) / "hub.db", fsync="full", boot=lambda: other)
    head = now(again.log.head("a"))
    page = now(again.log.read("a", limit=10))
    assert list(page.entries) == [(1, b"1")], "what is there stays"
    renewed = crashed and fsync != "full" and boot != "same"
    assert (head.epoch != before.epoch) is renewed
    assert page.epoch == head.epoch == now(again.log.head("new")).epoch
    repeat, new = now(again.log.append([Append("a", b"1", "s", "id"), Append("a", b"2")]))
    assert (repeat.repeated, repeat.epoch, repeat.offset) == (True, before.epoch, 1)
    assert (new.epoch, new.offset) == (head.epoch, 2)
    close(again)


def test_a_log_whose_file_was_deleted_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    epochs = set()
    for _ in range(3):
        storage = inline(path)
        (result,) = now(storage.log.append([Append("a", b"1")]))
        assert result.offset == 1
        epochs.add(result.epoch)
        close(storage)
        path.unlink()
    assert len(epochs) == 3


def test_a_log_that_was_long_empty_is_forgotten(tmp_path: Path) -> None:
    wall = VirtualClock(1e9)
    path = tmp_path / "hub.db"

    def run(*names: str) -> list[tuple[str, int]]:
        storage = inline(path, wall=wall)
        for name in names:
            storage.log.append([Append(name, b"1")])
        storage.database.sweep()
        found = [(head.epoch, head.offset) for head in (now(storage.log.head(name)) for name in ("a", "b"))]
        close(storage)
        return found

    first = run("a", "b")
    wall.advance(20 * 86400)
    assert run("b") == [first[0], (first[1][0], 2)], "an emptied log keeps its epoch and its last offset"
    wall.advance(20 * 86400)
    (epoch, offset), b = run()
    assert (epoch != first[0][0], offset) == (True, 0), "should it return, it is another one"
    assert b == (first[1][0], 2)
