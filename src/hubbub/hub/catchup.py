"""Readers that lag: each is read from the log, a stretch a turn, until it is where the live ones are."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from hubbub.hub.audience import unseal
from hubbub.hub.connection import State
from hubbub.hub.feed import Reader
from hubbub.hub.journal import Stretch
from hubbub.protocol.messages import GapMessage
from hubbub.protocol.payloads import Gap

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_STRETCH = 128
_READERS_A_TURN = 32


class _Head(Struct):
    channel: str


_channel_of = msgspec.json.Decoder(_Head).decode


class CatchUp:
    """The queue of readers that lag and may be written to."""

    def __init__(self, hub: Hub, stretch_bytes: int) -> None:
        self._hub = hub
        self._stretch_bytes = stretch_bytes
        self._queue: deque[Reader] = deque()

    def follow(self, reader: Reader, after: int) -> None:
        """The reader is to get everything after this offset, and then to go live."""
        reader.feed.lag(reader, after)
        self._enqueue(reader)

    def step(self) -> None:
        """One stretch for some of them, so that live traffic gets its turn between."""
        for _ in range(min(len(self._queue), _READERS_A_TURN)):
            reader = self._queue.popleft()
            if reader.session.readers.get(reader.feed.log) is not reader:
                continue
            if reader.session.connection.paused or not reader.lagging:
                reader.fetching = False
                continue
            self._hub.journal.read(reader.feed.log, partial(self._arrived, reader), after=reader.offset, limit=_STRETCH)
        if self._queue:
            self._hub.wake()

    def _enqueue(self, reader: Reader) -> None:
        if not reader.fetching:
            reader.fetching = True
            self._queue.append(reader)
            self._hub.wake()

    def _arrived(self, reader: Reader, page: Stretch | None) -> None:
        reader.fetching = False
        connection = reader.session.connection
        if connection.state is not State.OPEN or not reader.lagging:
            return
        if page is None:
            # The log cannot be had: the client comes back with its position when it can.
            self._hub.close(connection, 1013, "the log is unavailable")
            return
        if page.oldest > reader.offset + 1:
            self._tell_gap(reader, page)
        self._push(reader, page)
        if reader.offset >= reader.feed.flushed:
            if connection.paused:
                return
            reader.feed.add(reader)
        elif not connection.paused:
            self._enqueue(reader)

    def _tell_gap(self, reader: Reader, page: Stretch) -> None:
        last = page.oldest - 1
        gap = Gap(epoch=page.epoch, start=reader.offset + 1, to=last, reason="retention")
        self._hub.outbox.send(reader.session.connection, GapMessage(channel=reader.feed.log, payload=gap))
        reader.offset = last

    def _push(self, reader: Reader, page: Stretch) -> None:
        hub = self._hub
        feed = reader.feed
        connection = reader.session.connection
        size = 0
        for offset, record in page.entries:
            if offset > feed.flushed or size > self._stretch_bytes:
                return
            audience, body = unseal(record)
            channel = _channel_of(body).channel if feed.topics is not None else feed.log
            if reader.wants(channel, audience):
                frame = hub.wire.delivery_frame(connection.profile, body, offset, None)
                hub.outbox.push(connection, frame)
                size += len(frame)
            reader.offset = offset
        if page.complete:
            reader.offset = max(reader.offset, min(page.head, feed.flushed))
