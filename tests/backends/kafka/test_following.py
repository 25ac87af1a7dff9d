"""Following: what is passed over, what is silent, breaks or fails, and what nobody needs."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from hubbub.backends.kafka.consuming import Batch
from hubbub.backends.kafka.envelope import Arrival
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.kafka.nodes import Nodes, put, records

pytestmark = pytest.mark.slow


async def test_what_is_not_hubbubs_is_passed_over(nodes: Nodes) -> None:
    log = await nodes.make()
    ear = Recorder()
    await log.follow("a", ear)
    nodes.produce_foreign(log, "a", key=b"a", value=b"no header")
    nodes.produce_foreign(log, "a", key=b"a", value=b"another", headers=[("trace", b"x")])
    nodes.produce_foreign(log, "a", key=None, value=b"no key", headers=[("hubbub", b"")])
    nodes.produce_foreign(log, "a", key=b"\xff", value=None, headers=[("hubbub", b"\xff\n\xff")])
    (last,) = await put(log, Append("a", b"ours"))
    assert await ear.until("a", b"ours") == [b"ours"]
    page = await log.read("a", limit=10)
    assert (list(page.entries), page.head, page.complete) == ([(last.offset, b"ours")], last.offset, True)


async def test_memory_has_a_bound(nodes: Nodes) -> None:
    policy = RetentionPolicy(Retention(messages=1000, size=1_000_000))
    one, two = await nodes.make(), await nodes.make(memory=100_000, retention=policy)
    ear = Recorder()
    for name in ("a", "b", "c"):
        await two.follow(name, ear)
    for name in ("a", "b", "c"):
        await put(one, *(Append(name, b"%d" % number + b"." * 1000) for number in range(60)))
        await ear.changes.until(lambda name=name: len(ear.entries.get(name, ())) == 60)  # type: ignore[misc]
    following = two._now.following
    assert following._used == sum(tail.cost for tail in following._tails.values()) <= 100_000
    for name in ("a", "b", "c"):
        assert len(await records(two, name)) == 60, "what is no longer in memory is in Kafka"
        two.unfollow(name, ear)
    assert following._used == 0


async def test_a_partition_that_falls_silent_is_followed_anew(nodes: Nodes) -> None:
    now = [0.0]
    one, two = await nodes.make(), await nodes.make(clock=lambda: now[0])
    ear = Recorder()
    await two.follow("a", ear)
    await put(one, Append("a", b"1"))
    await ear.until("a", b"1")
    following = two._now.following
    arrived = following._consumer._arrived
    dropped: list[Batch] = []
    following._consumer._arrived = dropped.append
    await put(one, Append("a", b"2"))
    while not any(batch.arrivals for batch in dropped):
        await asyncio.sleep(0.01)
    await following.look()
    following._consumer._arrived = arrived
    now[0] += 3
    await following.look()
    assert ear.records("a") == [b"1"], "it may be on its way"
    now[0] += 2
    await following.look()
    assert await ear.until("a", b"2") == [b"1", b"2"]
    await put(one, Append("a", b"3"))
    assert await ear.until("a", b"3") == [b"1", b"2", b"3"]


async def test_a_partition_that_breaks_goes_on_where_it_was(nodes: Nodes) -> None:
    one, two = await nodes.make(), await nodes.make()
    ear = Recorder()
    await two.follow("a", ear)
    await put(one, Append("a", b"1"))
    await ear.until("a", b"1")
    following = two._now.following
    number = two._now.topic.partition_of("a")
    broken = following._partitions[number]
    following._reopen(broken, ConnectionError("for a test"))
    await put(one, Append("a", b"2"), Append("a", b"3"))
    assert await ear.until("a", b"3") == [b"1", b"2", b"3"]
    assert ear.interrupted_logs == [], "nothing was missed"
    # Now what comes next is gone before it could be fetched.
    broken = following._partitions[number]
    following._drop(broken, ConnectionError("for a test"))
    (lost,) = await put(one, Append("a", b"lost"))
    nodes.lose(one, "a", lost.offset + 1)
    following._reopen(broken, ConnectionError("for a test"))
    await ear.changes.until(lambda: ear.interrupted_logs == ["a"])
    await put(one, Append("a", b"4"))
    assert await ear.until("a", b"4") == [b"1", b"2", b"3", b"4"]
    page = await two.read("a", after=ear.entries["a"][2][0], limit=10)
    assert page.oldest == lost.offset + 1, "what was missed is told"
    # What is left of an earlier turn comes late.
    late = Arrival(number, 1000, "a", None, b"late")
    following._arrived(Batch([late], {number: 1000}, {number: KafkaError(KafkaError._FAIL)}, {number: 1}))
    await put(one, Append("a", b"5"))
    assert await ear.until("a", b"5") == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_partition_that_nobody_needs_is_let_go(nodes: Nodes) -> None:
    now = [0.0]
    log = await nodes.make(clock=lambda: now[0])
    ear = Recorder()
    await log.follow("a", ear)
    (first,) = await put(log, Append("b", b"x", "s", "1"))
    following = log._now.following
    await following.look()
    assert len(following._partitions) == 2
    now[0] += 61
    await following.look()
    assert list(following._partitions) == [log._now.topic.partition_of("a")]
    assert await put(log, Append("b", b"x", "s", "1")) == [Appended(first.epoch, first.offset, True)]
    log.unfollow("a", ear)
    now[0] += 61
    await following.look()
    assert following._partitions == {}


async def test_a_sink_that_fails_holds_up_nobody(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Recorder):
        def arrived(self, *_: object) -> None:
            raise RuntimeError("for a test")

    log = await nodes.make()
    ear = Recorder()
    await log.follow("a", Failing())
    await log.follow("a", ear)
    await put(log, Append("a", b"1"))
    assert await ear.until("a", b"1") == [b"1"]
    assert "could not be taken" in caplog.text


async def test_a_consumer_that_fails_is_replaced(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    log = await nodes.make()
    ear = Recorder()
    await log.follow("a", ear)
    await put(log, Append("a", b"1"))
    await ear.until("a", b"1")

    def fail(_: object) -> None:
        raise RuntimeError("for a test")

    log._now.following._consumer._commands.put(fail)
    while "the consumer failed" not in caplog.text:
        await asyncio.sleep(0.01)
    await put(log, Append("a", b"2"))
    assert await ear.until("a", b"2") == [b"1", b"2"]
    assert ear.interrupted_logs == []
