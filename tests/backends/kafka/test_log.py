"""What becomes of logs when their topic is made anew, and that logs of one partition are apart."""

from __future__ import annotations

import asyncio

import pytest

from hubbub.ports import Append
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
