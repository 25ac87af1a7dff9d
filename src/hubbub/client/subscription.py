"""A client's subscription: messages of one channel, taken one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

from hubbub.errors import HubbubError
from hubbub.protocol.channels import Channel, topic_matches
from hubbub.protocol.messages import Message

if TYPE_CHECKING:
    from hubbub.client.client import Client


class Subscription:
    """`async for message in client.subscribe(...)`, or `async with` to have it ended when the block ends.

    Its queue is short: while nobody takes from it the socket is not read, and the server keeps what comes.
    `MessagesMissed` is raised where messages are gone for good; iterating again goes on after them.
    """

    HIGH = 256
    LOW = 64

    def __init__(self, client: Client, channel: Channel) -> None:
        self._client = client
        self.channel = channel
        self._queue: deque[Message | HubbubError] = deque()
        self._arrived = asyncio.Event()
        self._begun = False
        self._ended = False

    async def __aenter__(self) -> Subscription:
        await self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message:
        await self.begin()
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        item = self._queue.popleft()
        if len(self._queue) == self.LOW:
            self._client.relieve(self)
        if isinstance(item, HubbubError):
            raise item
        return item

    async def begin(self) -> None:
        """Joins the room or subscribes to the topic, unless that is done. Raises `ProtocolError`."""
        if not self._begun:
            self._begun = True
            await self._client.open_subscription(self)

    async def end(self) -> None:
        """Takes no more messages, and unsubscribes when it was the last subscription of its channel."""
        if not self._ended:
            self._ended = True
            self._arrived.set()
            await self._client.close_subscription(self)

    def wants(self, message: Message) -> bool:
        channel = str(message.channel)
        if self.channel.kind == "all":
            return channel == "all" or channel.startswith("group:")
        return channel == self.channel.text or (self.channel.is_pattern and topic_matches(self.channel.text, channel))

    def put(self, item: Message | HubbubError) -> bool:
        """Adds one; returns whether the queue is full now, so that the socket is to rest."""
        self._queue.append(item)
        self._arrived.set()
        return len(self._queue) >= self.HIGH

    def finish(self, error: HubbubError) -> None:
        """The connection is gone: what came is taken first, then the error."""
        self._queue.append(error)
        self._arrived.set()
