"""Messages between nodes on sharded channels: soon, in order, at most once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names
from hubbub.backends.redis.subscriber import Subscriber

log = logging.getLogger("hubbub.redis")

LIMIT = 10_000
"""Messages that may wait to be sent."""
LIMIT_BYTES = 16 * 1024 * 1024


class RedisMailbox:
    """Implements `Mailbox`. What is sent in one turn of the loop goes out as one pipeline.

    While the server is away, and beyond `limit` messages or `limit_bytes` that wait, what is sent is dropped.
    """

    def __init__(
        self,
        client: RedisClient,
        names: Names,
        subscriber: Subscriber,
        *,
        limit: int = LIMIT,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self._client = client
        self._names = names
        self._subscriber = subscriber
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._open: set[str] = set()
        self._waiting: list[tuple[str, bytes]] = []
        self._bytes = 0
        self._sending: asyncio.Task[None] | None = None
        self.dropped = 0
        """Messages that were not sent."""

    async def open(self, topic: str, receive: Callable[[bytes], None]) -> None:
        """Raises `ConnectionError` when the server is away."""
        self._open.add(topic)
        try:
            await self._subscriber.subscribe(self._channel(topic), _Box(receive))
        except BaseException:
            self.leave(topic)
            raise

    def leave(self, topic: str) -> None:
        if topic in self._open:
            self._open.discard(topic)
            self._subscriber.unsubscribe(self._channel(topic))

    def send(self, topic: str, message: bytes) -> None:
        if len(self._waiting) >= self._limit or self._bytes + len(message) > self._limit_bytes:
            self.dropped += 1
            return
        self._waiting.append((self._channel(topic), message))
        self._bytes += len(message)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def close(self) -> None:
        """What was sent goes out, nothing more comes."""
        for topic in list(self._open):
            self.leave(topic)
        if self._sending is not None:
            await asyncio.wait((self._sending,))

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting, self._bytes = self._waiting, [], 0
                try:
                    await self._client.publish(batch)
                except ConnectionError as error:
                    self.dropped += len(batch)
                    log.warning("%d messages to other nodes were dropped: %s", len(batch), error)
        finally:
            self._sending = None

    def _channel(self, topic: str) -> str:
        return self._names.mail(topic, self._client.database)


class _Box:
    """Who has opened a topic; implements `Listener`."""

    __slots__ = ("received",)

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self.received = receive

    def interrupted(self) -> None:
        """What was sent meanwhile is lost, as everybody knows who uses a mailbox."""
