"""A client's subscription: messages of one channel, taken one by one."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import NamedTuple, Protocol

from hubbub.errors import HubbubError, MessagesMissed
from hubbub.protocol.channels import Channel, topic_matches
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position


class Queued(NamedTuple):
    """What waits to be taken, and where it stands in its log."""

    item: Message | MessagesMissed
    era: int
    offset: int


class Owner(Protocol):
    """The client, as its subscriptions see it."""

    async def begin_subscription(self, subscription: Subscription) -> None: ...
    async def end_subscription(self, subscription: Subscription) -> None: ...
    def taken(self, subscription: Subscription) -> None: ...
    def processed(self, subscription: Subscription) -> None: ...


class Subscription:
    """`async for message in client.subscribe(...)`, or `async with` to have it ended when the block ends.

    It lives on while connections come and go. Its queue is short: while nobody takes from it the socket is not
    read, and the server keeps what comes. `MessagesMissed` is raised where messages are gone for good; iterating
    again goes on after them. Whatever else is raised is its end, and raised again by every later iteration.

    With acknowledgements (`ack`), a message counts as processed when the iteration comes back for the next one,
    or the block is left without an error.
    """

    HIGH = 256
    """Messages in the queue at which the socket is not read any more."""
    LOW = 64
    """Messages in the queue at which it is read again."""

    def __init__(self, owner: Owner, channel: Channel, *, ack: bool = False, position: Position | None = None) -> None:
        self._owner = owner
        self.channel = channel
        self.ack = ack
        self.position = position
        """Where it is to begin, if not at the head."""
        self.diverted: tuple[int, int] | None = None
        """The era and offset from which on it gets by history what others are delivered; made by the client."""
        self._queue: deque[Queued] = deque()
        self._in_hand: Queued | None = None
        self._arrived = asyncio.Event()
        self._begun = False
        self._ended = False
        self._error: HubbubError | None = None

    def __len__(self) -> int:
        """How many messages wait to be taken."""
        return len(self._queue)

    async def __aenter__(self) -> Subscription:
        await self.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._let_go()
        await self.end()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message:
        self._let_go()
        await self.begin()
        while not self._queue:
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        taken = self._queue.popleft()
        self._in_hand = taken
        self._owner.taken(self)
        if isinstance(taken.item, MessagesMissed):
            raise taken.item
        return taken.item

    async def begin(self) -> None:
        """Joins the room or subscribes to the topic, unless that is done. Raises `ProtocolError`.

        Without a connection it waits for one.
        """
        if self._begun or self._ended:
            return
        self._begun = True
        try:
            await self._owner.begin_subscription(self)
        except BaseException:
            self._begun = False
            raise

    async def end(self) -> None:
        """Takes no more messages, and unsubscribes when it was the last subscription of its channel."""
        if not self._ended:
            self._ended = True
            self._arrived.set()
            await self._owner.end_subscription(self)

    # --- Made by the client ----------------------------------------------------------------------------

    def wants(self, channel: str) -> bool:
        """Whether a message of this channel, in the subscription's log, is for it."""
        if self.channel.kind == "all":
            return channel == "all" or channel.startswith("group:")
        return channel == self.channel.text or (self.channel.is_pattern and topic_matches(self.channel.text, channel))

    def put(self, queued: Queued) -> None:
        self._queue.append(queued)
        self._arrived.set()

    def outstanding(self) -> tuple[int, int] | None:
        """Era and offset of the oldest that the application has not processed; None when it is through with all."""
        oldest = self._in_hand or (self._queue[0] if self._queue else None)
        return self.diverted if oldest is None else (oldest.era, oldest.offset)

    def finish(self, error: HubbubError) -> None:
        """Nothing more will come: what came is taken first, then the error is raised."""
        self._error = self._error or error
        self._arrived.set()

    def _let_go(self) -> None:
        if self._in_hand is not None:
            self._in_hand = None
            self._owner.processed(self)
