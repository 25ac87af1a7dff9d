"""Several workers of one broker: who follows what, who falls behind, who goes."""

import asyncio
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from hubbub.app.stores import open_stores
from hubbub.backends.broker import link as link_module
from hubbub.backends.broker.log import BrokerLog
from hubbub.backends.broker.members import BrokerMailbox, BrokerPresence, BrokerRegistry
from hubbub.backends.broker.stores import BrokerSessions
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.sqlite.storage import open_storage
from hubbub.config import Settings
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError
from hubbub.ports import Append, Appended, Joined, Left, Members, NodeRecord, Page, Refused, SessionRecord
from tests.backends.broker.serving import serving
from tests.waiting import until


class Reader:
    """Implements `Sink`."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.interruptions = 0

    def arrived(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        self.offsets += [offset for offset, _ in entries]

    def interrupted(self, log: str) -> None:
        self.interruptions += 1


async def append(log: BrokerLog, name: str, *records: bytes) -> list[int]:
    results = await log.append([Append(name, record) for record in records])
    return [result.offset for result in results if isinstance(result, Appended)]


async def test_every_follower_gets_every_record_in_order_the_authors_own_too() -> None:
    async with serving() as broker:
        logs = [BrokerLog(await broker.link()) for _ in range(3)]
        readers = [Reader() for _ in logs]
        for log, reader in zip(logs, readers, strict=True):
            assert (await log.follow("room:den", reader)).offset == 0
        await asyncio.gather(*(append(log, "room:den", *[b"x"] * 50) for log in logs))
        await append(logs[0], "room:other", b"not followed")
        await until(lambda: all(len(reader.offsets) == 150 for reader in readers))
        assert all(reader.offsets == list(range(1, 151)) for reader in readers)


async def test_who_unfollows_gets_no_more() -> None:
    async with serving() as broker:
        log = BrokerLog(await broker.link())
        first, second = Reader(), Reader()
        await log.follow("a", first)
        await log.follow("a", second)
        await append(log, "a", b"1")
        await until(lambda: second.offsets == [1])
        log.unfollow("a", first)
        log.unfollow("a", first)
        await append(log, "a", b"2")
        await until(lambda: second.offsets == [1, 2])
        log.unfollow("a", second)
        await append(log, "a", b"3")
        assert (await log.follow("a", second)).offset == 3
        await append(log, "a", b"4")
        await until(lambda: 4 in second.offsets)
        assert (first.offsets, second.offsets) == ([1], [1, 2, 4])


async def test_a_repeat_is_answered_and_not_told_again() -> None:
    async with serving() as broker:
        log, reader = BrokerLog(await broker.link()), Reader()
        await log.follow("a", reader)
        item = Append("a", b"x", "session", "id")
        (first,), (again,) = await log.append([item]), await log.append([item])
        assert (first, again) == (Appended(first.epoch, 1), Appended(first.epoch, 1, True))  # type: ignore[union-attr]
        (refused,) = await log.append([Append("a", b"y", expected=7)])
        assert isinstance(refused, Refused)
        assert refused.code == "conflict"
        await append(log, "a", b"last")
        await until(lambda: 2 in reader.offsets)
        assert reader.offsets == [1, 2]


async def test_on_disk(tmp_path: Path) -> None:
    storage = open_storage(
        tmp_path / "log.db", fsync="off", retention=RetentionPolicy(), memory=2**20, dedup_age=60, wall=lambda: 0.0
    )
    async with serving(log=storage.log, sessions=storage.sessions, directory=storage.directory) as broker:
        logs = [BrokerLog(await broker.link()) for _ in range(2)]
        readers = [Reader(), Reader()]
        for log, reader in zip(logs, readers, strict=True):
            await log.follow("a", reader)
        await asyncio.gather(*(append(log, "a", b"x") for log in logs * 50))
        await until(lambda: all(len(reader.offsets) == 100 for reader in readers))
        assert all(reader.offsets == list(range(1, 101)) for reader in readers)
    for store in (storage.sessions, storage.directory, storage.log):
        closed = store.close()
        if closed is not None:
            await closed


async def test_who_does_not_read_is_told_that_it_missed_something() -> None:
    async with serving(max_unsent=64 * 1024) as broker:
        slow_link = await broker.link()
        slow, fast = BrokerLog(slow_link), BrokerLog(await broker.link())
        readers = [Reader(), Reader()]
        await slow.follow("a", readers[0])
        await fast.follow("a", readers[1])
        assert slow_link.transport is not None
        slow_link.transport.pause_reading()
        for _ in range(100):
            await append(fast, "a", b"x" * 16_384)
        await until(lambda: len(readers[1].offsets) == 100)
        slow_link.transport.resume_reading()
        await until(lambda: readers[0].interruptions == 1)
        assert 0 < len(readers[0].offsets) < 100
        assert readers[0].offsets == list(range(1, len(readers[0].offsets) + 1))
        # It reads what it missed, and goes on.
        page = await slow.read("a", after=readers[0].offsets[-1], limit=1000)
        assert page.entries[-1][0] == 100
        await append(fast, "a", b"last")
        await until(lambda: readers[0].offsets[-1] == 101)


async def test_a_store_that_fails_is_away() -> None:
    class Broken(MemoryLog):
        def read(
            self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
        ) -> Page:
            raise OSError("the disk is full")

    async with serving(log=Broken()) as broker:
        log = BrokerLog(await broker.link())
        with pytest.raises(OSError, match="the disk is full"):
            await log.read("a", limit=1)
        assert await append(log, "a", b"goes on") == [1]


async def test_when_the_broker_goes_everything_that_waits_fails() -> None:
    lost = asyncio.Event()

    class Silent(MemorySessions):
        def load(self, digest: str) -> SessionRecord | None:
            return asyncio.get_running_loop().create_future()  # type: ignore[return-value]

    async with serving(sessions=Silent()) as broker:
        link = await broker.link(lost.set)
        sessions = BrokerSessions(link)
        waiting = asyncio.ensure_future(sessions.load("x"))
        await asyncio.sleep(0)
        assert link.transport is not None
        link.transport.abort()
        with pytest.raises(OSError, match="gone"):
            await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(lost.wait(), 5)
        with pytest.raises(OSError, match="gone"):
            await sessions.load("x")
        for task in tuple(broker.broker.tasks):
            task.cancel()


async def test_a_broker_that_does_not_read_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MAX_UNSENT", 1024 * 1024)
    async with serving() as broker:
        link = await broker.link()
        log = BrokerLog(link)
        assert await append(log, "a", b"x") == [1]
        (worker,) = broker.broker.workers
        worker.pause_writing()
        waiting = []
        with pytest.raises(OSError, match="far behind"):
            for _ in range(1000):
                waiting.append(link.ask("append", ([Append("a", b"x" * 65_536)],), lambda raw: None))
                await asyncio.sleep(0)
        worker.resume_writing()
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert await append(log, "a", b"again") == [2 + len(waiting)]


async def test_letters_come_in_order_to_whoever_opened_the_topic() -> None:
    async with serving() as broker:
        first, second = BrokerMailbox(await broker.link()), BrokerMailbox(await broker.link())
        got: dict[str, list[bytes]] = {"first": [], "second": []}
        await first.open("all", got["first"].append)
        await second.open("all", got["second"].append)
        for number in range(20):
            first.send("all", b"%d" % number)
        second.send("nobody", b"?")
        await until(lambda: all(len(letters) == 20 for letters in got.values()))
        assert got["first"] == got["second"] == [b"%d" % number for number in range(20)]
        second.leave("all")
        first.send("all", b"more")
        await until(lambda: len(got["first"]) == 21)
        await second.open("other", got["second"].append)
        assert len(got["second"]) == 20


async def test_presence_and_nodes_are_common() -> None:
    async with serving() as broker:
        links = [await broker.link(), await broker.link()]
        here, there = (BrokerPresence(link) for link in links)
        assert await here.join("room:den", "ann", "s1", "n1", limit=2) == Joined(True, 1)
        assert await there.join("room:den", "bob", "s2", "n2", limit=2) == Joined(True, 2)
        assert await there.join("room:den", "eve", "s3", "n2", limit=2) is None
        assert await here.members("room:den", 10) == Members(2, ["ann", "bob"])
        assert await here.leave("room:den", "bob", "s2", "n1") == Left("room:den", "bob", False, 2)
        assert list(await here.drop("n2")) == [Left("room:den", "bob", True, 1)]
        registry, other = (BrokerRegistry(link) for link in links)
        assert await registry.announce(NodeRecord("n1", "run1", load=3), 60)
        assert await other.announce(NodeRecord("n1", "run2"), 60) is False
        lease = await registry.lease("x", "n1", 60)
        assert lease is not None
        assert await other.lease("x", "n2", 60) is None
        await registry.release(lease)
        assert await other.lease("x", "n2", 60) is not None
        assert [node.load for node in await other.nodes()] == [3]


def test_a_worker_has_every_store() -> None:
    stores = open_stores(Settings(backend="broker:/nowhere"), lambda: 0.0, lambda: 0)
    assert None not in stores


async def test_no_broker_is_a_wrong_setting() -> None:
    stores = open_stores(Settings(backend="broker:/nowhere"), lambda: 0.0, lambda: 0)
    with pytest.raises(ConfigurationError, match="backend: no broker at /nowhere"):
        await stores.connect()


async def test_only_its_owner_can_open_the_socket() -> None:
    async with serving() as broker:
        assert stat.S_IMODE(broker.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(broker.path.parent.stat().st_mode) == 0o700


async def test_nonsense_is_hung_up_on() -> None:
    async with serving() as broker:
        log = BrokerLog(await broker.link())
        for nonsense in (b"\0\0\0\x02\xff\xff", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_unix_connection(str(broker.path))
            writer.write(nonsense)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
        assert await append(log, "a", b"goes on") == [1]


async def test_an_unknown_method_is_refused() -> None:
    async with serving() as broker:
        link = await broker.link()
        with pytest.raises(OSError, match="no_such"):
            await link.ask("no_such", (), lambda raw: None)
        with pytest.raises(OSError, match="head"):
            await link.ask("head", (1,), lambda raw: None)
