"""Batch consumers: a position in a log, read into a batching queue, on virtual time and without a socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubbub import ConfigurationError, Hubbub, HubbubError, Message, MessagesMissed
from hubbub.app.consumers import BatchConsumer
from hubbub.backends.memory.log import MemoryLog
from hubbub.config import ChannelSettings
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.errors import BadMessage
from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position
from hubbub.testing.loop import virtual

ORDERS = "topic:orders.**"


class Shop:
    """A `process` that writes down what it gets, and waits while its door is shut."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.door = asyncio.Event()
        self.door.set()
        self.entered = asyncio.Event()

    async def __call__(self, messages: list[Message]) -> None:
        self.entered.set()
        await self.door.wait()
        self.batches.append([message.payload.content for message in messages])

    @property
    def contents(self) -> list[str]:
        return [content for batch in self.batches for content in batch]


class DistantLog(MemoryLog):
    """Answers later, or not at all while it is `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.reading = 0.01
        """Seconds that a page is on its way."""

    async def _answer(self, value: Any, seconds: float = 0.01) -> Any:
        await asyncio.sleep(seconds)
        if self.broken:
            raise OSError("no route to the log")
        return value

    async def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:  # type: ignore[override]
        return list(await self._answer(super().append(batch)))

    async def read(self, log: str, **options: Any) -> Page:  # type: ignore[override]
        page = await self._answer(super().read(log, **options), self.reading)
        assert isinstance(page, Page)
        return page

    async def head(self, log: str) -> Position:  # type: ignore[override]
        head = await self._answer(super().head(log))
        assert isinstance(head, Position)
        return head


@asynccontextmanager
async def running(log: MemoryLog | None = None, **settings: Any) -> AsyncIterator[Hubbub]:
    app = Hubbub(log=log, anonymous=True, **settings)
    await app.start(listen=False)
    try:
        yield app
    finally:
        await app.stop()


async def publish(app: Hubbub, contents: Sequence[object], topic: str = "topic:orders.new") -> None:
    for content in contents:
        await app.publish(topic, str(content), metadata={"from": "a test"})


def texts(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@virtual
async def test_messages_of_a_pattern_come_in_batches_from_the_start_on() -> None:
    shop = Shop()
    async with running() as app:
        await publish(app, ["before"])
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=10, wait=0.05)
        await consumer.start()
        await publish(app, range(1, 13))
        await publish(app, ["another"], "topic:orders")
        await asyncio.sleep(1)
        assert shop.batches == [texts(1, 10), texts(11, 12)]
        await consumer.drain()


@pytest.mark.parametrize("distant", [False, True])
def test_the_drain_processes_everything_that_is_in_the_log(distant: bool) -> None:
    @virtual
    async def run() -> None:
        shop = Shop()
        async with running(DistantLog() if distant else None) as app:
            consumer = BatchConsumer(app.hub, ORDERS, shop, size=10, limit=10, wait=3600)
            await consumer.start()
            shop.door.clear()
            await publish(app, range(1, 301))
            await shop.entered.wait()
            draining = asyncio.create_task(consumer.drain())
            await asyncio.sleep(1)
            assert not draining.done()
            shop.door.set()
            await draining
            assert shop.contents == texts(1, 300)
            await publish(app, ["late"])
            await consumer.drain()
        assert shop.contents == texts(1, 300)

    run()


@virtual
async def test_a_slow_consumer_holds_little_and_misses_nothing_that_is_kept() -> None:
    shop = Shop()
    async with running() as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=5, limit=10)
        await consumer.start()
        shop.door.clear()
        await publish(app, range(1, 501))
        await asyncio.sleep(1)
        assert len(consumer._queue) == 10
        shop.door.set()
        await consumer.drain()
    assert shop.contents == texts(1, 500)


@virtual
async def test_what_it_missed_is_reported_and_it_goes_on_with_the_oldest_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop, missed = Shop(), []

    async def report(error: MessagesMissed) -> None:
        missed.append((error.first, error.last, error.reason))
        raise RuntimeError("nobody listens")

    async with running(retention_messages=100) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=5, limit=5, missed=report)
        await consumer.start()
        shop.door.clear()
        await publish(app, range(1, 1001))
        shop.door.set()
        await consumer.drain()
    assert len(missed) == 1
    first, last, reason = missed[0]
    assert (last, reason) == (900, "retention")
    assert shop.contents == texts(1, first - 1) + texts(901, 1000), "every one is processed or reported"
    assert f"messages {first} to 900" in caplog.text
    assert "nobody listens" in caplog.text


@virtual
async def test_of_a_log_that_conflates_the_newest_of_each_key_come_although_others_are_lost() -> None:
    shop, missed = Shop(), []
    rule = ChannelSettings(channel="topic:orders", messages=10, overrun="conflate", key="metadata.key")
    async with running(channels=(rule,)) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=1, limit=1, missed=missed.append)
        await consumer.start()
        shop.door.clear()
        await publish(app, range(1, 4))
        await asyncio.sleep(1)
        await app.publish("topic:orders.new", "old", metadata={"key": "k"})
        await app.publish("topic:orders.new", "new", metadata={"key": "k"})
        await publish(app, range(6, 31))
        shop.door.set()
        await consumer.drain()
    assert [error.last for error in missed] == [20]
    assert shop.contents == [*texts(1, missed[0].first - 1), "new", *texts(21, 30)]


@virtual
async def test_a_log_that_was_dropped_and_begun_anew_is_reported_and_read_from_its_start() -> None:
    shop, missed = Shop(), []
    async with running(MemoryLog(memory=20_000)) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=5, missed=missed.append)
        await consumer.start()
        await publish(app, range(1, 6))
        await asyncio.sleep(1)
        await publish(app, range(1, 200), "topic:noise")
        await publish(app, ["a", "b"])
        await asyncio.sleep(1)
        await consumer.drain()
    assert shop.contents == [*texts(1, 5), "a", "b"]
    assert [(error.first, error.last, error.reason) for error in missed] == [(6, 5, "epoch")]


@virtual
async def test_a_log_that_cannot_be_read_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    shop, store = Shop(), DistantLog()
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop)
        store.broken = True
        with pytest.raises(HubbubError, match="cannot be had"):
            await consumer.start()
        store.broken = False
        await consumer.start()
        await publish(app, ["one"])
        store.broken = True
        await asyncio.sleep(5)
        assert shop.batches == []
        store.broken = False
        await asyncio.sleep(2)
        assert shop.batches == [["one"]]
        await consumer.drain()
    assert f"{ORDERS} cannot be read, again in 1 s" in caplog.text


@virtual
async def test_a_drain_in_time_buries_what_is_queued_and_reports_what_is_not_read() -> None:
    shop, dead, missed = Shop(), [], []

    def bury(messages: list[Message], error: Exception) -> None:
        dead.extend(message.payload.content for message in messages)

    loop = asyncio.get_running_loop()
    async with running() as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=2, limit=4, dead_letter=bury, missed=missed.append)
        await consumer.start()
        shop.door.clear()
        await publish(app, range(1, 21))
        began = loop.time()
        await consumer.drain(timeout=2)
        assert loop.time() - began == pytest.approx(2)
    assert (shop.contents, dead) == ([], texts(1, 4))
    assert [(error.first, error.last, error.reason) for error in missed] == [(5, 20, "shutdown")]


@virtual
async def test_a_log_that_is_gone_does_not_hold_the_drain_up(caplog: pytest.LogCaptureFixture) -> None:
    shop, store = Shop(), DistantLog()
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, wait=3600)
        await consumer.start()
        await publish(app, ["one"])
        await asyncio.sleep(1)
        store.broken = True
        await consumer.drain()
        assert shop.batches == [["one"]], "what was read is processed"
        store.broken = False
    assert "was not read to its end" in caplog.text


@virtual
async def test_what_was_read_and_found_no_place_before_the_log_was_gone_is_reported() -> None:
    shop, store, missed = Shop(), DistantLog(), []
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, size=1, limit=1, missed=missed.append)
        await consumer.start()
        shop.door.clear()
        await asyncio.gather(*(publish(app, [number]) for number in range(1, 6)))
        await asyncio.sleep(1)
        store.broken = True
        draining = asyncio.create_task(consumer.drain())
        await asyncio.sleep(1)
        shop.door.set()
        await draining
        store.broken = False
    assert shop.contents == ["1"]
    assert [(error.first, error.last, error.reason) for error in missed] == [(2, 5, "shutdown")]


@virtual
async def test_a_page_that_was_on_its_way_when_the_drain_began_is_not_the_last() -> None:
    shop, store = Shop(), DistantLog()
    store.reading = 1.0
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop)
        await consumer.start()
        await asyncio.sleep(0.5)
        await publish(app, ["one"])
        await consumer.drain()
    assert shop.contents == ["one"]


@virtual
async def test_what_expired_unread_is_reported_once() -> None:
    shop, missed = Shop(), []
    store = MemoryLog(retention=RetentionPolicy(Retention(age=10)), clock=asyncio.get_running_loop().time)
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop, missed=missed.append)
        await consumer.start()
        await asyncio.sleep(1)
        # Past the hub, so that nobody is told.
        store.append([Append("topic:orders", b"{}")])
        await asyncio.sleep(11)
        await consumer.drain()
    assert [(error.first, error.last, error.reason) for error in missed] == [(1, 1, "retention")]


@virtual
async def test_a_record_that_cannot_be_decoded_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    shop, store = Shop(), MemoryLog()
    async with running(store) as app:
        consumer = BatchConsumer(app.hub, ORDERS, shop)
        await consumer.start()
        store.append([Append("topic:orders", b"{")])
        await publish(app, ["fine"])
        await consumer.drain()
    assert shop.batches == [["fine"]]
    assert "record 1 of topic:orders cannot be decoded" in caplog.text


@virtual
async def test_a_message_that_never_works_is_dead_and_the_next_ones_are_not() -> None:
    dead, fine = [], []

    def process(messages: list[Message]) -> None:
        if messages[0].payload.content == "poison":
            raise ValueError("bad order")
        fine.extend(message.payload.content for message in messages)

    def bury(messages: list[Message], error: Exception) -> None:
        dead.append(([message.payload.content for message in messages], str(error)))

    async with running() as app:
        consumer = BatchConsumer(app.hub, ORDERS, process, size=1, retries=2, dead_letter=bury)
        await consumer.start()
        await publish(app, ["one", "poison", "two"])
        await consumer.drain()
    assert (fine, dead) == (["one", "two"], [(["poison"], "bad order")])


@virtual
async def test_a_consumer_that_was_never_started_is_drained_at_once() -> None:
    await BatchConsumer(Hubbub(anonymous=True).hub, ORDERS, print).drain()


def test_wrong_channels_and_options_are_refused_before_the_start() -> None:
    app = Hubbub(anonymous=True)
    with pytest.raises(BadMessage):
        BatchConsumer(app.hub, "topic:**", print)
    with pytest.raises(ConfigurationError):
        BatchConsumer(app.hub, ORDERS, print, size=0)
