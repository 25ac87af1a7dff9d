"""Reads: how far back, from memory or by a scan, and what of it is gone."""

from __future__ import annotations

import pytest

from hubbub.ports import Append
from hubbub.testing.shared_log_contract import Recorder
from tests.backends.kafka.nodes import Nodes, put, records

pytestmark = pytest.mark.slow


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


async def test_a_scan_that_fails_is_told(nodes: Nodes) -> None:
    log = await nodes.make()
    await put(log, Append("a", b"1"))
    scanner = log._now.reader._scanner
    scanner._consumer.close()
    with pytest.raises(OSError):
        await log.read("a", limit=1)
