"""Appends: repeats wherever they come from, what is refused, and a producer that fails."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import KafkaError

from hubbub.backends.kafka import following
from hubbub.ports import Append, Appended, Refused
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.kafka.nodes import Nodes, put, records
from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.slow


async def test_a_repeat_that_two_nodes_had_on_their_way_at_once_is_read_and_heard_once(nodes: Nodes) -> None:
    one, two = await nodes.make(), await nodes.make()
    ear, late = Recorder(), Recorder()
    await one.follow("a", ear)
    first = nodes.produce(one, "a", b"1", "s", "AB")
    nodes.produce(one, "a", b"1 again", "s", "ab")
    nodes.produce(one, "a", b"of another session", "t", "ab")
    assert await put(two, Append("a", b"1 once more", "s", "Ab")) == [Appended(one._now.topic.epoch, first, True)]
    head = await two.follow("a", late)
    await put(two, Append("a", b"2"))
    expected = [b"1", b"of another session", b"2"]
    assert await ear.until("a", b"2") == expected
    await late.until("a", b"2")
    assert [entry for entry in late.entries["a"] if entry[0] > head.offset] == late.entries["a"][-1:]
    for log in (one, two, await nodes.make()):
        assert await records(log, "a") == expected
        assert await records(log, "a", newest=True) == expected
        assert await records(log, "a", after=first) == expected[1:], "though its first is not among them"


async def test_a_repeat_is_known_through_a_node_that_has_just_begun(nodes: Nodes) -> None:
    one = await nodes.make()
    (first,) = await put(one, Append("a", b"1", "s", "1"))
    two = await nodes.make()
    results = await asyncio.gather(*(put(two, Append("a", b"1", "s", "1"), Append("a", b"x")) for _ in range(3)))
    assert {result[0] for result in results} == {Appended(first.epoch, first.offset, True)}
    assert await records(two, "a") == [b"1", b"x", b"x", b"x"]


async def test_a_repeat_is_known_as_far_back_as_a_partition_is_read(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "WARM_UP", 40)
    monkeypatch.setattr(following, "LEAST_WARM_UP", 5)
    one = await nodes.make()
    first, *_ = await put(one, Append("a", b"first", "s", "1"), *(Append("a", b"x") for _ in range(9)))
    two = await nodes.make()
    assert await put(two, Append("a", b"first", "s", "1")) == [Appended(first.epoch, first.offset, True)]
    await put(one, Append("a", b"x"))
    three = await nodes.make()
    assert await put(three, Append("a", b"first", "s", "1")) == [Appended(first.epoch, first.offset + 11, False)]


async def test_a_session_that_has_just_come_is_answered_when_all_before_it_was_seen(nodes: Nodes) -> None:
    one, two = await nodes.make(), await nodes.make()
    await put(two, Append("a", b"0", "another", "1"))
    held = []
    consumer = two._now.following._consumer
    arrived = consumer._arrived
    consumer._arrived = held.append
    (first,) = await put(one, Append("a", b"1", "s", "1"))
    pending = two.append([Append("a", b"1", "s", "1")])
    while (await one.head("a")).offset < 3:
        await asyncio.sleep(0.01)
    await asyncio.wait([pending], timeout=0.3)
    assert not pending.done()
    consumer._arrived = arrived
    for batch in held:
        arrived(batch)
    assert await pending == [Appended(first.epoch, first.offset, True)]
    settled = two.append([Append("a", b"2", "s", "2")])
    assert await settled == [Appended(first.epoch, 4, False)], "now it is known"


async def test_a_record_that_is_too_large_is_refused_and_the_others_are_not(nodes: Nodes) -> None:
    log = await nodes.make()
    large = Append("a", b"x" * 2_000_000, "s", "1")
    one, two, three, four = await log.append([Append("a", b"1"), large, large, Append("a", b"2")])
    assert isinstance(one, Appended) and isinstance(four, Appended)
    assert isinstance(two, Refused) and isinstance(three, Refused)
    assert two.code == three.code == "too_large"
    assert await records(log, "a") == [b"1", b"2"]


async def test_an_offset_that_was_given_out_before_is_of_another_topic(nodes: Nodes) -> None:
    log = await nodes.make()
    log._now.following.note_end(log._now.topic.partition_of("a"), 1000)
    with pytest.raises(ConnectionError, match="made anew"):
        await put(log, Append("a", b"1"))


async def test_a_producer_that_fails_for_good_is_replaced(nodes: Nodes) -> None:
    log = await nodes.make()
    await put(log, Append("a", b"1", "s", "1"))
    producer = log._now.appender._producer
    broken = producer._producer
    producer._failed(KafkaError(KafkaError._FATAL, "for a test", True))
    while producer._producer is broken:
        await asyncio.sleep(0.01)
    await put(log, Append("a", b"1", "s", "1"), Append("a", b"2", "s", "2"))
    assert await records(log, "a") == [b"1", b"2"]


async def test_appends_wait_for_others_as_long_as_the_url_says(kafka: KafkaServer) -> None:
    nodes = Nodes(f"127.0.0.1:{kafka.near}", linger=300)
    log = await nodes.make()
    name, other = (f"room {number}" for number in range(2))
    await put(log, Append(name, b"0"), Append(other, b"0"))
    began = time.monotonic()
    await put(log, Append(name, b"1"))
    assert time.monotonic() - began >= 0.3
    await nodes.close()
