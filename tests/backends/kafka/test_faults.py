"""A broker that is away, slow, cut off, killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubbub.backends.kafka.log import KafkaLog
from hubbub.backends.kafka.opening import KafkaBackend
from hubbub.errors import ConfigurationError
from hubbub.ports import Append, Appended, Page
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.kafka.nodes import Nodes, put, records
from tests.backends.kafka.proxy import Proxy, proxying
from tests.servers.kafka import KafkaServer
from tests.servers.ports import free_port

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture
async def proxy(kafka: KafkaServer) -> AsyncIterator[Proxy]:
    """What the clients go through."""
    async with proxying(kafka.far, kafka.behind) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def far(kafka: KafkaServer, proxy: Proxy) -> AsyncIterator[Nodes]:
    """Logs whose clients go through the proxy."""
    nodes = Nodes(f"127.0.0.1:{kafka.far}")
    yield nodes
    await nodes.close()


async def persist(log: KafkaLog, item: Append) -> Appended:
    """Repeats under its idempotency key until it is in the log, as a publisher does."""
    while True:
        try:
            (result,) = await put(log, item)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return result


async def test_a_broker_that_is_killed_loses_nothing_and_repeats_nothing(nodes: Nodes, kafka: KafkaServer) -> None:
    one, two = await nodes.make(timeout=2.0), await nodes.make(timeout=2.0)
    ear = Recorder()
    await two.follow("a", ear)
    failed = 0

    async def publish(log: KafkaLog, session: str) -> list[Appended]:
        nonlocal failed
        placed = []
        for number in range(60):
            item = Append("a", f"{session}.{number}".encode(), session, f"{number}")
            try:
                placed += await put(log, item)
            except OSError:
                failed += 1
                placed.append(await persist(two if log is one else one, item))
            await asyncio.sleep(0.02)
        return placed

    publishing = [asyncio.create_task(publish(log, name)) for log, name in ((one, "s"), (two, "t"))]
    await ear.changes.until(lambda: len(ear.records("a")) > 20)
    kafka.kill()
    while not failed:
        await asyncio.sleep(0.05)
    starting = asyncio.get_running_loop().create_task(nodes.make(start_patience=60.0))
    await asyncio.get_running_loop().run_in_executor(None, kafka.start)
    placed = await asyncio.gather(*publishing)
    fresh = await starting
    await put(one, Append("a", b"last"))
    heard = await ear.until("a", b"last")
    assert heard == await records(fresh, "a") == await records(one, "a")
    for session in ("s", "t"):
        own = [record for record in heard if record.startswith(session.encode())]
        assert own == [f"{session}.{number}".encode() for number in range(60)]
    assert sorted(result.offset for results in placed for result in results) == [
        offset for offset, _ in ear.entries["a"][:-1]
    ]
    assert ear.interrupted_logs == [], "it went on where it was"


async def test_connections_that_are_cut_lose_nothing_and_repeat_nothing(far: Nodes, proxy: Proxy) -> None:
    one, two = await far.make(), await far.make()
    ear = Recorder()
    await two.follow("a", ear)
    for number in range(40):
        if number % 5 == 4:
            proxy.cut()
        await persist(one, Append("a", b"%d" % number, "s", f"{number}"))
    assert await ear.until("a", b"39") == [b"%d" % number for number in range(40)]
    assert await records(await far.make(), "a") == [b"%d" % number for number in range(40)]


async def test_a_broker_that_takes_two_seconds_is_waited_for(far: Nodes, proxy: Proxy) -> None:
    one, two = await far.make(), await far.make()
    ear = Recorder()
    await two.follow("a", ear)
    await put(one, Append("a", b"1", "s", "1"))
    proxy.delay = 1.0
    first = one.append([Append("a", b"2", "s", "2")])
    assert (await put(one, Append("a", b"2", "s", "2")))[0].repeated
    (result,) = await first
    assert isinstance(result, Appended)
    assert not result.repeated
    assert await ear.until("a", b"2") == [b"1", b"2"]
    proxy.delay = 0.0


async def test_while_the_broker_is_away_that_is_said_and_memory_can_be_read(far: Nodes, proxy: Proxy) -> None:
    log, other = await far.make(timeout=1.0), await far.make(timeout=1.0)
    ear = Recorder()
    head = await log.follow("a", ear)
    await put(log, Append("a", b"1", "s", "1"))
    await ear.until("a", b"1")
    proxy.is_down = True
    proxy.cut()
    with pytest.raises(OSError):
        await put(log, Append("a", b"2", "s", "2"))
    asked = await asyncio.gather(
        log.read("a", after=head.offset, limit=10),
        other.read("a", limit=10),
        other.follow("a", ear),
        other.head("a"),
        return_exceptions=True,
    )
    page, *others = asked
    assert isinstance(page, Page)
    assert [record for _, record in page.entries] == [b"1"]
    assert all(isinstance(error, OSError) for error in others), others
    proxy.is_down = False
    await persist(log, Append("a", b"2", "s", "2"))
    assert await ear.until("a", b"2") == [b"1", b"2"]
    assert await records(other, "a") == [b"1", b"2"]


async def test_no_broker_at_the_start_is_named_with_the_setting() -> None:
    port = free_port()
    backend = KafkaBackend(f"kafka://127.0.0.1:{port}/x", setting="log", start_patience=0.5)
    with pytest.raises(ConfigurationError) as raised:
        await backend.connect()
    assert raised.value.setting == "log"
    assert f"127.0.0.1:{port}" in str(raised.value)


async def test_who_has_no_password_is_told_so_at_the_start(kafka: KafkaServer, nodes: Nodes) -> None:
    backend = KafkaBackend(f"kafka://ann:wrong@127.0.0.1:{kafka.shut}/x?mechanism=PLAIN", start_patience=20.0)
    with pytest.raises(ConfigurationError, match="lets nobody in with this login") as raised:
        await backend.connect()
    assert raised.value.setting == "log"
    assert "wrong" not in str(raised.value)
    nodes.url = f"kafka://ann:secret@127.0.0.1:{kafka.shut}/{nodes.topic}?mechanism=PLAIN"
    log = await nodes.make()
    ear = Recorder()
    await log.follow("a", ear)
    await put(log, Append("a", b"1", "s", "1"))
    assert await ear.until("a", b"1") == await records(log, "a") == [b"1"]


async def test_a_compacted_topic_is_refused(nodes: Nodes) -> None:
    from confluent_kafka.admin import NewTopic

    topic = NewTopic(nodes.topic, 1, -1, config={"cleanup.policy": "compact"})
    nodes.admin.create_topics([topic])[nodes.topic].result(10)
    with pytest.raises(ConfigurationError, match="compacted"):
        await nodes.make()


async def test_the_topic_that_is_there_says_how_many_partitions(nodes: Nodes) -> None:
    from confluent_kafka.admin import NewTopic

    nodes.admin.create_topics([NewTopic(nodes.topic, 3, -1)])[nodes.topic].result(10)
    log = await nodes.make()
    assert log._now.topic.partitions == 3
    assert {log._now.topic.partition_of(f"{number}") for number in range(50)} == {0, 1, 2}
