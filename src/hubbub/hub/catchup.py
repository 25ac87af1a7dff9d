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
        self.go_on(reader)

    def go_on(self, reader: Reader) -> None:
        """A reader that lags may have more."""
        if not reader.fetching:
            reader.fetching = True
            self._queue.append(reader)
            self._hub.wake()

    def step(self) -> None:
        """One stretch for some of them, so that live traffic gets its turn between."""
        for _ in range(min(len(self._queue), _READERS_A_TURN)):
            reader = self._queue.popleft()
            if not _is_current(reader):
                continue
            if reader.connection.paused or not reader.lagging or (reader.window is not None and reader.window.is_full):
                reader.fetching = False
                continue
            then = partial(self._arrived, reader, reader.offset)
            self._hub.journal.read(reader.feed.log, then, after=reader.offset, limit=_STRETCH)
        if self._queue:
            self._hub.wake()

    def _arrived(self, reader: Reader, after: int, page: Stretch | None) -> None:
        reader.fetching = False
        if not _is_current(reader) or reader.connection.state is not State.OPEN or not reader.lagging:
            return
        if reader.offset != after:
            # It was rewound meanwhile.
            self.go_on(reader)
            return
        hub = self._hub
        connection = reader.connection
        if page is None:
            # The log cannot be had: the client comes back with its position when it can.
            hub.close(connection, 1013, "the log is unavailable")
            return
        feed = reader.feed
        if feed.epoch and page.epoch != feed.epoch:
            if feed.flushed == page.head == 0:
                # Nothing was ever in it that could have been lost.
                feed.epoch = page.epoch
            else:
                # It was lost and begun anew, and nothing was committed to it here since.
                hub.begin_anew(feed, page.epoch, page.oldest)
                self.go_on(reader)
                return
        if page.oldest > reader.offset + 1 and not self._pass_over(reader, page):
            return
        self._push(reader, page)
        if connection.throttled:
            hub.watch.probe(connection)
        elif reader.offset >= reader.feed.flushed:
            if not connection.paused:
                reader.feed.add(reader)
        elif not connection.paused and not (reader.window is not None and reader.window.is_full):
            self.go_on(reader)

    def _pass_over(self, reader: Reader, page: Stretch) -> bool:
        """The log has no longer what comes next. Returns whether the reader goes on, as the channel's policy says."""
        hub = self._hub
        connection = reader.connection
        log = reader.feed.log
        if hub.rules.of(log).overrun == "disconnect":
            hub.close(connection, 4410, f"{log} no longer has what comes next")
            return False
        last = page.oldest - 1
        gap = Gap(epoch=page.epoch, start=reader.offset + 1, to=last, reason="retention")
        hub.outbox.send(connection, GapMessage(channel=log, payload=gap))
        reader.offset = last
        if log.startswith("room:"):
            # Who came and went meanwhile was said in what is missing.
            hub.membership.tell_members(connection, log)
        return True

    def _push(self, reader: Reader, page: Stretch) -> None:
        hub = self._hub
        feed = reader.feed
        connection = reader.connection
        window = reader.window
        size = 0
        for offset, record in page.entries:
            if offset > feed.flushed or size > self._stretch_bytes:
                return
            audience, body = unseal(record)
            channel = _channel_of(body).channel if feed.topics is not None else feed.log
            if reader.wants(channel, audience):
                if window is not None:
                    if window.is_full:
                        return
                    hub.awaiting.sent(reader, (offset,))
                frame = hub.wire.delivery_frame(connection.profile, body, offset, None)
                hub.outbox.push(connection, frame)
                size += len(frame)
            reader.offset = offset
        if page.complete:
            reader.offset = max(reader.offset, min(page.head, feed.flushed))


def _is_current(reader: Reader) -> bool:
    """Whether the session still reads with this reader: it may have left, or lost its connection, meanwhile."""
    return reader.session.readers.get(reader.feed.log) is reader
