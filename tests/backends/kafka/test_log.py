"""What only a log on Kafka can get wrong, with a broker that works."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import KafkaError

from hubbub.backends.kafka.consuming import Batch
from hubbub.backends.kafka.envelope import Arrival
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, Refused
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.kafka.nodes import Nodes, put, records

pytestmark = pytest.mark.slow


async def test_logs_of_one_partition_are_kept_apart(nodes: Nodes) -> None:
    log = await nodes.make()
    topic = log._now.topic
    same = [name for name in map("room {}".format, range(40)) if topic.partition_of(name) == 0][:3]
    ears = [Recorder() for _ in same]
    for name, ear in zip(same, ears, strict=True):
        await log.follow(name, ear)
    for number in range(20):
        await put(log, *(Append(name, f"{name}.{number}".encode()) for name in same))
    for name, ear in zip(same, ears, strict=True):
        expected = [f"{name}.{number}".encode() for number in range(20)]
        assert await ear.until(name, expected[-1]) == expected
        assert set(ear.entries) == {name}
        other = await nodes.make()
        for newest in (False, True):
            page = await other.read(name, after=ear.entries[name][3][0], limit=5, newest=newest)
            wanted = expected[-5:] if newest else expected[4:9]
            assert ([record for _, record in page.entries], page.complete) == (wanted, False)


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


async def test_a_repeat_far_behind_its_first_is_known_to_who_saw_both(nodes: Nodes) -> None:
    log = await nodes.make()
    await put(log, Append("a", b"of another session", "t", "1"))
    nodes.produce(log, "a", b"first", "s", "1")
    for start in range(0, 4000, 1000):
        await put(log, *(Append("a", b"%d" % number) for number in range(start, start + 1000)))
    again = nodes.produce(log, "a", b"again", "s", "1")
    await log._now.following._partitions[log._now.topic.partition_of("a")].reach(again)
    assert await records(log, "a", newest=True, limit=1) == [b"3999"]
    assert (await records(log, "a", after=again - 2)) == [b"3999"]


async def test_a_repeat_is_known_through_a_node_that_has_just_begun(nodes: Nodes) -> None:
    one = await nodes.make()
    (first,) = await put(one, Append("a", b"1", "s", "1"))
    two = await nodes.make()
    results = await asyncio.gather(*(put(two, Append("a", b"1", "s", "1"), Append("a", b"x")) for _ in range(3)))
    assert {result[0] for result in results} == {Appended(first.epoch, first.offset, True)}
    assert await records(two, "a") == [b"1", b"x", b"x", b"x"]


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


async def test_what_retention_took_is_told(nodes: Nodes) -> None:
    one, two = await nodes.make(), await nodes.make()
    ear = Recorder()
    head = await one.follow("a", ear)
    results = await put(one, *(Append("a", b"%d" % number) for number in range(10)))
    await ear.until("a", b"9")
    nodes.lose(one, "a", results[6].offset)
    page = await two.read("a", limit=100)
    assert ([record for _, record in page.entries], page.oldest) == ([b"6", b"7", b"8", b"9"], results[6].offset)
    page = await two.read("a", after=results[7].offset, limit=100)
    assert [record for _, record in page.entries] == [b"8", b"9"]
    page = await one.read("a", after=head.offset, limit=100)
    assert len(page.entries) == 10, "what is in memory is kept"
    assert page.oldest == head.offset + 1
    nodes.lose(one, "a", results[9].offset + 1)
    page = await two.read("a", limit=100)
    assert (list(page.entries), page.oldest, page.head) == ([], results[9].offset + 1, results[9].offset)
    (after,) = await put(two, Append("a", b"10"))
    assert after.offset > results[9].offset


async def test_no_further_back_is_read_than_it_reaches(nodes: Nodes) -> None:
    log = await nodes.make(reach=20)
    results = await put(log, *(Append("a", b"%d" % number) for number in range(50)))
    for newest in (False, True):
        page = await log.read("a", limit=100, newest=newest)
        assert [record for _, record in page.entries] == [b"%d" % number for number in range(30, 50)]
        assert (page.oldest, page.complete) == (results[30].offset, True)


async def test_a_record_that_is_too_large_is_refused_and_the_others_are_not(nodes: Nodes) -> None:
    log = await nodes.make()
    large = Append("a", b"x" * 2_000_000, "s", "1")
    one, two, three, four = await log.append([Append("a", b"1"), large, large, Append("a", b"2")])
    assert isinstance(one, Appended) and isinstance(four, Appended)
    assert isinstance(two, Refused) and isinstance(three, Refused)
    assert two.code == three.code == "too_large"
    assert await records(log, "a") == [b"1", b"2"]


async def test_history_that_was_read_once_is_in_memory(nodes: Nodes) -> None:
    one = await nodes.make()
    results = await put(one, *(Append("a", b"%d" % number) for number in range(100)))
    two = await nodes.make()
    ear = Recorder()
    await two.follow("a", ear)
    scans = []
    scan = two._now.reader._scanner.scan

    async def counting(what: object) -> object:
        scans.append(what)
        return await scan(what)  # type: ignore[arg-type]

    two._now.reader._scanner.scan = counting  # type: ignore[method-assign, assignment]
    await put(one, Append("a", b"100"))
    await ear.until("a", b"100")
    for _ in range(3):
        assert await records(two, "a", newest=True, limit=5) == [b"96", b"97", b"98", b"99", b"100"]
    assert len(scans) == 1
    for _ in range(3):
        assert await records(two, "a", after=results[89].offset) == [b"%d" % number for number in range(90, 101)]
        assert await records(two, "a", newest=True) == [b"%d" % number for number in range(101)]
    assert len(scans) == 3
    assert (await two.read("a", limit=10)).oldest == 1
    assert len(scans) == 3


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
    following._consumer._arrived = lambda batch: None
    await put(one, Append("a", b"2"))
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


async def test_a_consumer_that_fails_is_replaced(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    log = await nodes.make()
    ear = Recorder()
    await log.follow("a", ear)
    await put(log, Append("a", b"1"))
    await ear.until("a", b"1")

    def fail(_: object) -> None:
        raise RuntimeError("for a test")

    log._now.following._consumer._commands.put(fail)
    await put(log, Append("a", b"2"))
    assert await ear.until("a", b"2") == [b"1", b"2"]
    assert ear.interrupted_logs == []
    assert "the consumer failed" in caplog.text


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


async def test_a_scan_that_fails_is_told(nodes: Nodes) -> None:
    log = await nodes.make()
    await put(log, Append("a", b"1"))
    scanner = log._now.reader._scanner
    scanner._consumer.close()
    with pytest.raises(OSError):
        await log.read("a", limit=1)


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


async def test_a_topic_that_is_made_anew_is_another_epoch(nodes: Nodes) -> None:
    one, two = await nodes.make(look_interval=0.1), await nodes.make(look_interval=0.1)
    ear = Recorder()
    await one.follow("a", ear)
    (before,) = await put(two, Append("a", b"before", "s", "1"))
    await ear.until("a", b"before")
    await asyncio.get_running_loop().run_in_executor(None, nodes.delete)
    await ear.changes.until(lambda: "a" in ear.interrupted_logs)
    while two._now.topic.epoch == before.epoch:
        await asyncio.sleep(0.05)
    page = await one.read("a", limit=10)
    assert page.epoch != before.epoch
    assert (list(page.entries), page.head) == ([], 0)
    (after,) = await put(two, Append("a", b"after", "s", "1"))
    assert (after.epoch, after.repeated) == (page.epoch, False)
    while not one._now.following.is_followed("a", ear):
        await asyncio.sleep(0.02)
    await put(two, Append("a", b"again"))
    await ear.changes.until(lambda: page.epoch in ear.epochs)


async def test_nothing_is_answered_for_in_an_epoch_that_is_over(nodes: Nodes) -> None:
    """The topic is made anew behind the back of a node that does not look for that."""
    log = await nodes.make(look_interval=1000.0, timeout=2.0)
    before = await put(log, *(Append("a", b"%d" % number) for number in range(5)))
    await records(log, "a")
    await log.follow("a", Recorder())
    await asyncio.get_running_loop().run_in_executor(None, nodes.delete)
    other = await nodes.make()
    assert other._now.topic.epoch != before[0].epoch
    async with asyncio.timeout(20):
        while True:
            try:
                (after,) = await put(log, Append("a", b"anew"))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                break
    assert after.epoch == other._now.topic.epoch


async def test_an_offset_that_was_given_out_before_is_of_another_topic(nodes: Nodes) -> None:
    log = await nodes.make()
    log._now.following.note_end(log._now.topic.partition_of("a"), 1000)
    with pytest.raises(ConnectionError, match="made anew"):
        await put(log, Append("a", b"1"))


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
