"""A Redis that is killed, restarted, emptied, stopped, full, or that hangs up: nothing is lost in silence."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import Connection

from hubbub.backends.redis.opening import RedisBackend
from hubbub.ports import Append, Appended, NodeRecord, Refused, SessionRecord
from hubbub.ports.answers import answer
from hubbub.protocol.payloads import Position
from hubbub.testing.mailbox_contract import Letters
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.redis.conftest import Backends
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.slow

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may do anything to."""
    one = RedisServer(tmp_path / "redis")
    one.start()
    yield one
    one.kill()


async def append(backend: RedisBackend, *items: Append) -> list[Appended]:
    results = await backend.log.append(items)
    for result in results:
        assert isinstance(result, Appended), result
    return [result for result in results if isinstance(result, Appended)]


async def records(backend: RedisBackend, log: str = "a") -> list[bytes]:
    return [record for _, record in (await backend.log.read(log, limit=1000)).entries]


async def appended_in_the_end(backend: RedisBackend, item: Append) -> Appended:
    """As a publisher does: again under the same id until there is an answer."""
    async with asyncio.timeout(10):
        while True:
            try:
                (result,) = await backend.log.append([item])
            except OSError:
                await asyncio.sleep(0.05)
                continue
            if isinstance(result, Appended):
                return result
            await asyncio.sleep(0.05)


async def test_a_restart_of_a_durable_server_loses_nothing(tmp_path: Path, backends: Backends) -> None:
    server = RedisServer(tmp_path / "redis", *DURABLE)
    server.start()
    try:
        backend, other = await backends.make(server.url), await backends.make(server.url)
        ear = Recorder()
        await backend.log.follow("a", ear)
        (first,) = await append(other, Append("a", b"1", "s", "1"))
        await ear.until("a", b"1")
        session = SessionRecord("d", "k", "ann", "c", 1.0, time.time() + 60, b"state")
        await backend.sessions.save(session)
        await backend.directory.put("room:den", b"facts")
        await backend.presence.join("den", "ann", "s", "n")
        await backend.registry.announce(NodeRecord("n", "r"), 60)
        server.kill()
        with pytest.raises(OSError):
            await other.log.append([Append("a", b"2", "s", "2")])
        with pytest.raises(OSError):
            await other.log.read("a", limit=1)
        with pytest.raises(OSError):
            await other.sessions.load("d")
        server.start()
        again = await appended_in_the_end(other, Append("a", b"1", "s", "1"))
        assert again == Appended(first.epoch, 1, True), "message ids are remembered, too"
        assert await appended_in_the_end(other, Append("a", b"2", "s", "2")) == Appended(first.epoch, 2)
        await ear.changes.until(lambda: ear.interrupted_logs == ["a"])
        await append(other, Append("a", b"3"))
        await ear.until("a", b"3")
        assert await records(backend) == [b"1", b"2", b"3"]
        assert await backend.sessions.of_user("ann") == [session]
        assert await backend.directory.get("room:den") == b"facts"
        assert (await backend.presence.members("den", 9)).users == ["ann"]
        assert await backend.registry.nodes() == [NodeRecord("n", "r")]
    finally:
        server.kill()


@pytest.mark.parametrize("how", ["restart", "FLUSHALL"])
async def test_a_server_that_lost_everything_is_a_new_epoch(server: RedisServer, backends: Backends, how: str) -> None:
    backend = await backends.make(server.url)
    ear = Recorder()
    before = await backend.log.follow("a", ear)
    await append(backend, *(Append("a", b"old", "s", f"{number}") for number in range(5)))
    if how == "restart":
        server.kill()
        server.start()
    else:
        server.ask("FLUSHALL")
    result = await appended_in_the_end(backend, Append("a", b"new", "s", "0"))
    assert result.epoch != before.epoch
    assert (result.offset, result.repeated) == (1, False)
    assert await backend.log.head("a") == Position(result.epoch, 1)
    if how == "restart":
        await ear.changes.until(lambda: ear.interrupted_logs == ["a"])
        await append(backend, Append("a", b"newer"))
    await ear.changes.until(lambda: result.epoch in ear.epochs)


@pytest.mark.parametrize("how", ["everysec", "snapshot"])
async def test_a_server_that_may_have_lost_something_is_a_new_epoch_of_what_it_has(
    tmp_path: Path, backends: Backends, how: str
) -> None:
    keeping = ("--appendonly", "yes", "--appendfsync", "everysec") if how == "everysec" else ()
    server = RedisServer(tmp_path / "redis", *keeping)
    server.start()
    try:
        backend = await backends.make(server.url)
        (first,) = await append(backend, Append("a", b"1", "s", "1"))
        if how == "snapshot":
            server.ask("SAVE")
        await append(backend, Append("a", b"2", "s", "2"))
        server.kill()
        server.start()
        again = await appended_in_the_end(backend, Append("a", b"1", "s", "1"))
        assert again.epoch != first.epoch
        assert (again.offset, again.repeated) == (1, True), "what it has is known, a repeat too"
        assert await records(backend) == ([b"1", b"2"] if how == "everysec" else [b"1"])
        (last,) = await append(backend, Append("a", b"2", "s", "2"))
        assert last == Appended(again.epoch, 2, how == "everysec")
        assert await records(backend) == [b"1", b"2"]
    finally:
        server.kill()


async def test_a_replica_that_takes_over_is_a_new_epoch_of_what_it_has(tmp_path: Path, backends: Backends) -> None:
    master, replica = (RedisServer(tmp_path / name, *DURABLE) for name in ("master", "replica"))
    master.start("--repl-diskless-sync-delay", "0")
    replica.start("--replicaof", "127.0.0.1", str(master.port))
    try:
        before = await backends.make(master.url)
        (first,) = await append(before, Append("a", b"1", "s", "1"))
        assert master.ask("WAIT", 1, 5000) == 1
        master.kill()
        replica.ask("REPLICAOF NO ONE")
        after = await backends.make(replica.url)
        (again,) = await append(after, Append("a", b"1", "s", "1"))
        assert (again.epoch != first.epoch, again.offset, again.repeated) == (True, 1, True)
        (second,) = await append(after, Append("a", b"2"))
        assert (second.epoch, second.offset) == (again.epoch, 2)
    finally:
        master.kill()
        replica.kill()


async def test_functions_that_were_flushed_are_loaded_again(server: RedisServer, backends: Backends) -> None:
    one, two = await backends.make(server.url), await backends.make(server.url)
    await append(one, Append("a", b"1"))
    server.ask("FUNCTION FLUSH")
    batches = [one.log.append([Append("a", b"2"), Append("b", b"x")]), two.log.append([Append("a", b"3")])]
    await asyncio.gather(*map(answer, batches))
    assert sorted(await records(one)) == [b"1", b"2", b"3"]


async def test_many_logs_are_subscribed_to_anew_over_one_connection(
    server: RedisServer, backends: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver takes milliseconds to make one: made for each log, they held a node up for seconds."""
    backend = await backends.make(server.url)
    made = 0
    make = Connection.__init__

    def count(connection: Connection, **options: Any) -> None:
        nonlocal made
        made += 1
        make(connection, **options)

    monkeypatch.setattr(Connection, "__init__", count)
    ear = Recorder()
    logs = [f"room:{number}" for number in range(200)]
    for log in logs:
        await backend.log.follow(log, ear)
    assert server.ask("CLIENT KILL TYPE pubsub") == 1
    await ear.changes.until(lambda: set(ear.interrupted_logs) == set(logs))
    assert 2 <= made <= 10


async def test_a_subscriber_that_is_hung_up_on_comes_back(server: RedisServer, backends: Backends) -> None:
    one, two = await backends.make(server.url), await backends.make(server.url)
    ear, letters = Recorder(), Letters()
    for log in ("a", "b"):
        await one.log.follow(log, ear)
    await one.mailbox.open("nodes", letters.receive)
    began = time.monotonic()
    assert server.ask("CLIENT KILL TYPE pubsub") == 1
    await ear.changes.until(lambda: sorted(ear.interrupted_logs) == ["a", "b"])
    assert time.monotonic() - began < 3
    await append(two, Append("a", b"1"), Append("b", b"2"))
    await ear.until("a", b"1")
    await ear.until("b", b"2")
    two.mailbox.send("nodes", b"back")
    await letters.until(b"back")


async def test_an_append_without_an_answer_is_no_loss_and_no_double(server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(server.url, timeout=0.5)
    await append(backend, Append("a", b"0"))
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    stuck = [backend.log.append([Append("a", b"%d" % number, "s", f"{number}")]) for number in (1, 2)]
    await asyncio.sleep(0)
    later = backend.log.append([Append("a", b"3", "s", "3")])
    for one in (*stuck, later):
        with pytest.raises(OSError):
            await one
    assert time.monotonic() - began < 3, "nobody waits for long"
    server.signal(signal.SIGCONT)
    for number in (1, 2, 3):
        await appended_in_the_end(backend, Append("a", b"%d" % number, "s", f"{number}"))
    assert sorted(await records(backend)) == [b"0", b"1", b"2", b"3"]
    assert await backend.log.head("a") == Position((await backend.log.head("a")).epoch, 4)


async def test_a_silent_subscription_is_noticed(server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(server.url)
    ear = Recorder()
    await backend.log.follow("a", ear)
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    link = next(iter(backend.subscriber._links.values()))
    socket = link._socket
    assert socket is not None
    await asyncio.wait_for(socket.lost.wait(), 6)
    assert 2 < time.monotonic() - began < 5
    server.signal(signal.SIGCONT)
    await ear.changes.until(lambda: ear.interrupted_logs == ["a"])
    await appended_in_the_end(backend, Append("a", b"1", "s", "1"))
    await ear.until("a", b"1")


async def test_a_pause_of_two_seconds_is_ridden_out(server: RedisServer, backends: Backends) -> None:
    one = await backends.make(server.url, timeout=4.0)
    ear = Recorder()
    await one.log.follow("a", ear)
    server.signal(signal.SIGSTOP)
    pending = one.log.append([Append("a", b"1")])
    waiting = asyncio.ensure_future(answer(pending))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 2.1)
    server.signal(signal.SIGCONT)
    assert isinstance((await waiting)[0], Appended)
    await ear.until("a", b"1")
    assert ear.interrupted_logs == []


async def test_a_full_server_refuses_and_goes_on_when_there_is_room(server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(server.url)
    await append(backend, Append("a", b"1", "s", "1"))
    await backend.sessions.save(SessionRecord("d", "k", "ann", "c", 1.0, time.time() + 60, b"state"))
    server.ask("CONFIG SET maxmemory 1")
    results = await backend.log.append([Append("a", b"2", "s", "2"), Append("b", b"x")])
    assert [type(result) for result in results] == [Refused, Refused]
    for result in results:
        assert result == Refused("unavailable", "Redis is out of memory")
    with pytest.raises(OSError, match="out of memory"):
        await backend.directory.put("x", b"y")
    with pytest.raises(OSError, match="out of memory"):
        await backend.presence.join("den", "ann", "s", "n")
    assert await records(backend) == [b"1"], "what is there can be read"
    assert await backend.sessions.load("d") is not None
    assert (await backend.presence.leave("den", "ann", "s", "n")).count == 0
    server.ask("CONFIG SET maxmemory 0")
    assert (await append(backend, Append("a", b"2", "s", "2")))[0].offset == 2


async def test_what_cannot_be_sent_to_other_nodes_is_bounded_and_dropped(
    server: RedisServer, backends: Backends
) -> None:
    backend = await backends.make(server.url, timeout=0.3)
    letters = Letters()
    await backend.mailbox.open("a", letters.receive)
    server.signal(signal.SIGSTOP)
    backend.mailbox.send("a", b"in flight")
    await asyncio.sleep(0)
    for _ in range(20_000):
        backend.mailbox.send("a", b"x")
    assert backend.mailbox.dropped >= 9_999
    for _ in range(100):
        backend.mailbox.send("a", b"x" * 1024 * 1024)
    assert backend.mailbox._bytes <= 16 * 1024 * 1024
    server.signal(signal.SIGCONT)
    async with asyncio.timeout(10):
        while b"last" not in letters.all:
            backend.mailbox.send("a", b"last")
            await asyncio.sleep(0.05)


async def test_calls_that_wait_are_bounded(server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(server.url, timeout=0.3)
    backend.directory._calls._limit = 100
    server.signal(signal.SIGSTOP)
    pending = [backend.directory.put(f"{number}", b"x") for number in range(150)]
    results = await asyncio.gather(*pending, return_exceptions=True)
    server.signal(signal.SIGCONT)
    assert sum("calls wait" in str(result) for result in results) == 50
    assert all(isinstance(result, OSError) for result in results)


async def test_what_a_newer_node_publishes_is_read_from_the_log(server: RedisServer, backends: Backends) -> None:
    backend = await backends.make(server.url)
    ear = Recorder()
    await backend.log.follow("a", ear)
    channel = backend.log._place("a").channel
    for junk in (b"2:epoch:1:1\nx", b"", b"\xff\xff"):
        server.ask("SPUBLISH", channel, junk)
    await ear.changes.until(lambda: ear.interrupted_logs == ["a"] * 3)
    await append(backend, Append("a", b"1"))
    assert await ear.until("a", b"1") == [b"1"]


async def test_clusters_of_hubs_on_one_server_know_nothing_of_each_other(
    server: RedisServer, backends: Backends
) -> None:
    ours = await backends.make(server.url)
    theirs = await backends.make(server.url, cluster="theirs")
    other_database = await backends.make(server.url.removesuffix("0") + "1")
    ear, letters = Recorder(), Letters()
    await ours.log.follow("a", ear)
    await ours.mailbox.open("a", letters.receive)
    for backend in (theirs, other_database):
        await append(backend, Append("a", b"theirs", "s", "1"))
        backend.mailbox.send("a", b"theirs")
        await backend.sessions.save(SessionRecord("d", "k", "ann", "c", 1.0, time.time() + 60, b""))
        await backend.directory.put("room:den", b"x")
        await backend.presence.join("den", "ann", "s", "n")
        await backend.registry.announce(NodeRecord("n", "r"), 60)
        await backend.registry.lease("leader", "n", 60)
        await backend.mailbox.close()
    assert not (await append(ours, Append("a", b"ours", "s", "1")))[0].repeated
    ours.mailbox.send("a", b"ours")
    assert await ear.until("a", b"ours") == [b"ours"]
    assert await letters.until(b"ours") == [b"ours"]
    assert await ours.sessions.of_user("ann") == []
    assert await ours.directory.names("") == []
    assert (await ours.presence.members("den", 9)).count == 0
    assert await ours.presence.holders() == []
    assert await ours.registry.nodes() == []
    assert await ours.registry.lease("leader", "m", 60) is not None
