"""The log on Kafka: many logs in the partitions of one topic, for all nodes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from hubbub.backends.kafka.address import Address
from hubbub.backends.kafka.appending import Appender, Results
from hubbub.backends.kafka.following import Following
from hubbub.backends.kafka.marks import Marks
from hubbub.backends.kafka.producing import DELIVERY_TIMEOUT
from hubbub.backends.kafka.reading import REACH, Reader
from hubbub.backends.kafka.repeats import Repeats
from hubbub.backends.kafka.scanning import ScannerThread
from hubbub.backends.kafka.topic import Steward, Topic
from hubbub.delivery.dedup import AGE, WINDOW
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Append, Page, Sink
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.kafka")

LOOK_INTERVAL = 5.0
"""Seconds between looks at the topic: whether it is still the same, and whether everything comes."""


class KafkaLog:
    """Implements `SharedLog`: offsets are those of the log's partition, so that a log has holes.

    What a log keeps is the topic's to say; `retention` is for what of it is in memory, all logs together at most
    `memory` bytes. `clock` gives seconds; an append or a question may take `timeout` of them. `connect` before anything
    else is used.
    """

    dense = False
    conditional = False

    def __init__(
        self,
        address: Address,
        steward: Steward,
        *,
        retention: RetentionPolicy | None = None,
        memory: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        dedup_window: int = WINDOW,
        dedup_age: float = AGE,
        timeout: float = DELIVERY_TIMEOUT,
        reach: int = REACH,
        look_interval: float = LOOK_INTERVAL,
    ) -> None:
        self._address = address
        self._steward = steward
        self._retention = retention or RetentionPolicy()
        self._memory = memory
        self._clock = clock
        self._window = dedup_window, dedup_age
        self._timeout = timeout
        self._reach = reach
        self._interval = look_interval
        self._clients: _Clients | None = None
        self._looking: asyncio.Task[None] | None = None
        self._suspicion = asyncio.Event()
        self._followers: dict[str, list[Sink]] = {}

    def connect(self, topic: Topic) -> None:
        """From now on it is of use, in this loop."""
        self._clients = self._make_clients(topic)
        self._looking = asyncio.get_running_loop().create_task(self._look_on())

    def append(self, batch: Sequence[Append]) -> asyncio.Future[Results]:
        return self._now.appender.append(batch)

    async def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page:
        return await self._now.reader.read(log, after, before, limit, newest)

    async def head(self, log: str) -> Position:
        """The end of its partition, which is at or behind the log's last record."""
        clients = self._now
        mark = await clients.marks.ask(clients.topic.partition_of(log))
        return Position(clients.topic.epoch, mark.end)

    async def follow(self, log: str, sink: Sink) -> Position:
        position = await self._now.following.follow(log, sink)
        sinks = self._followers.setdefault(log, [])
        if sink not in sinks:
            sinks.append(sink)
        return position

    def unfollow(self, log: str, sink: Sink) -> None:
        sinks = self._followers.get(log, [])
        if sink in sinks:
            sinks.remove(sink)
            if not sinks:
                del self._followers[log]
        self._now.following.unfollow(log, sink)

    def forget(self, session: str) -> None:
        self._now.repeats.forget(session)

    async def close(self) -> None:
        """Waits for what was accepted."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
            self._looking = None
            await self._now.close()

    @property
    def _now(self) -> _Clients:
        assert self._clients is not None, "connect first"
        return self._clients

    def _make_clients(self, topic: Topic) -> _Clients:
        size, age = self._window
        client = self._address.client
        marks = Marks(self._steward.admin, topic.name, self._timeout)
        repeats = Repeats(self._clock, size=size, age=age)
        following = Following(
            client,
            topic,
            marks,
            repeats,
            self._suspicion.set,
            retention=self._retention,
            memory=self._memory,
            clock=self._clock,
        )
        appender = Appender(
            client,
            topic,
            following,
            repeats,
            self._suspicion.set,
            linger=self._address.linger,
            timeout=self._timeout,
        )
        scanner = ScannerThread(client, topic.name)
        reader = Reader(topic, following, marks, repeats, scanner, reach=self._reach)
        return _Clients(topic, marks, repeats, following, appender, scanner, reader)

    async def _look_on(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval):
                    await self._suspicion.wait()
            except TimeoutError:
                pass
            self._suspicion.clear()
            try:
                await self._look()
            except OSError as error:
                log.warning("Kafka is away: %s", error)
            except Exception:
                log.exception("a look at Kafka failed")

    async def _look(self) -> None:
        topic = await self._steward.describe() or await self._steward.make()
        if topic is not None and topic.epoch != self._now.topic.epoch:
            await self._begin_anew(topic)
        await self._follow_again()
        await self._now.following.look()

    async def _begin_anew(self, topic: Topic) -> None:
        """The topic was made anew: what was in it is lost, and whoever follows is told to look."""
        log.error("the topic %s was made anew; what was in it is lost", topic.name)
        before, self._clients = self._now, self._make_clients(topic)
        await before.close()

    async def _follow_again(self) -> None:
        """Whoever followed in an earlier epoch does so in this one, and is told to look."""
        for name, sinks in list(self._followers.items()):
            for sink in tuple(sinks):
                if self._now.following.is_followed(name, sink):
                    continue
                await self._now.following.follow(name, sink)
                if sink in self._followers.get(name, ()):
                    sink.interrupted(name)
                else:
                    self._now.following.unfollow(name, sink)


class _Clients:
    """Everything that holds for one epoch of the topic. It is made anew with the topic."""

    def __init__(
        self,
        topic: Topic,
        marks: Marks,
        repeats: Repeats,
        following: Following,
        appender: Appender,
        scanner: ScannerThread,
        reader: Reader,
    ) -> None:
        self.topic = topic
        self.marks = marks
        self.repeats = repeats
        self.following = following
        self.appender = appender
        self.reader = reader
        self._scanner = scanner

    async def close(self) -> None:
        await self.appender.close()
        await self.following.close()
        await asyncio.get_running_loop().run_in_executor(None, self._scanner.stop)
