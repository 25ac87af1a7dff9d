"""Readers that lag: each is read from the log, a stretch a turn, until it is where the live ones are."""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from msgspec import MsgspecError

from hubbub.errors import ProtocolError
from hubbub.hub.arrival import read_record
from hubbub.hub.connection import State
from hubbub.hub.feed import Feed, Reader
from hubbub.hub.journal import Stretch
from hubbub.hub.locating import STRETCH
from hubbub.protocol.messages import GapMessage
from hubbub.protocol.payloads import Gap

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")

_READERS_A_TURN = 32


class CatchUp:
    """The queue of readers that lag and may be written to."""

    def __init__(self, hub: Hub, stretch_bytes: int) -> None:
        self._hub = hub
        self._stretch_bytes = stretch_bytes
        self._queue: deque[Reader] = deque()
        self._waiting: dict[Reader, None] = {}
        """Those whose log could not be read just now."""

    def follow(self, reader: Reader, after: int) -> None:
        """The reader is to get everything after this offset, and then to go live."""
        reader.feed.lag(reader, after)
        self.go_on(reader)

    def go_on_all(self, feed: Feed) -> None:
        """The feed is another, or known to be the right one: whoever lags in it may go on."""
        for reader in list(feed.readers.values()):
            if reader.lagging:
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
            if not _may_read(reader):
                reader.fetching = False
                continue
            page, reader.in_hand = reader.in_hand, None
            if page is not None:
                self._arrived(reader, reader.offset, page)
                continue
            then = partial(self._arrived, reader, reader.offset)
            self._hub.journal.read(reader.feed.log, then, after=reader.offset, limit=STRETCH)
        if self._queue:
            self._hub.wake()

    def _arrived(self, reader: Reader, after: int, page: Stretch | None) -> None:
        reader.fetching = False
        if not _is_current(reader) or reader.connection.state is not State.OPEN:
            return
        if not reader.lagging or reader.holds:
            return
        if reader.offset != after:
            # It was rewound meanwhile.
            self.go_on(reader)
            return
        hub = self._hub
        connection = reader.connection
        if page is None:
            self._wait(reader)
            return
        feed = reader.feed
        if feed.epoch and page.epoch != feed.epoch:
            hub.journal.doubt(feed, page.epoch, page.oldest)
            return
        if page.oldest > reader.offset + 1 and hub.rules.of(feed.log).overrun == "disconnect":
            hub.close(connection, 4410, f"{feed.log} no longer has what comes next")
            return
        self._push(reader, page)
        if connection.throttled:
            hub.watch.probe(connection)
        elif reader.offset == feed.flushed:
            if not connection.paused:
                feed.add(reader)
        elif not connection.paused and not (reader.window is not None and reader.window.is_full):
            self.go_on(reader)

    def sweep(self) -> None:
        """To be called about once a second: what could not be read is tried again."""
        waiting, self._waiting = self._waiting, {}
        for reader in waiting:
            if _is_current(reader):
                self.go_on(reader)

    def _wait(self, reader: Reader) -> None:
        """The log cannot be had."""
        if self._hub.journal.is_shared:
            # No other node could read it either: the client stays, and gets it when that is over.
            self._waiting[reader] = None
        else:
            # The client comes back with its position when it can.
            self._hub.close(reader.connection, 1013, "the log is unavailable")

    def _push(self, reader: Reader, page: Stretch) -> None:
        """Sends what is there in order, and a gap before it for what is not any more.

        A log that conflates may have kept some records below `oldest`, and lost what was between them.
        """
        feed, window = reader.feed, reader.window
        size = 0
        lost: int | None = None
        reaches_end = page.complete
        for offset, record in page.entries:
            if offset > feed.flushed:
                reaches_end = True
                break
            frame = self._frame(reader, offset, record)
            if size > self._stretch_bytes or (frame and window is not None and window.is_full):
                reaches_end = False
                break
            if lost is None and reader.offset + 1 < min(offset, page.oldest):
                lost = reader.offset + 1
            if frame:
                if lost is not None:
                    self._tell_gap(reader, page.epoch, lost, min(offset, page.oldest) - 1)
                    lost = None
                if window is not None:
                    self._hub.awaiting.sent(reader, offset)
                self._hub.counts.deliveries += 1
                self._hub.outbox.push(reader.connection, frame)
                size += len(frame)
            reader.offset = offset
        if reaches_end:
            end = min(max(page.head, page.oldest - 1), feed.flushed)
            if lost is None and reader.offset < min(end, page.oldest - 1):
                lost = reader.offset + 1
            reader.offset = max(reader.offset, end)
        if lost is not None:
            self._tell_gap(reader, page.epoch, lost, min(reader.offset, page.oldest - 1))

    def _frame(self, reader: Reader, offset: int, record: bytes) -> bytes:
        """The record as the reader gets it; empty when it is not for that one."""
        wire = self._hub.wire
        try:
            item = read_record(wire, record, offset)
            if reader.wants(item.channel.text, item.audience):
                return wire.delivery_frame(reader.connection.profile, item.body, offset, None)
        except (ProtocolError, MsgspecError):
            log.exception("record %d of %s cannot be read, and is left out", offset, reader.feed.log)
        return b""

    def _tell_gap(self, reader: Reader, epoch: str, first: int, last: int) -> None:
        """The log has no longer what comes next."""
        connection, name = reader.connection, reader.feed.log
        gap = Gap(epoch=epoch, start=first, to=last, reason="retention")
        self._hub.counts.gaps += 1
        self._hub.outbox.send(connection, GapMessage(channel=name, payload=gap))
        if name.startswith("room:"):
            # Who came and went meanwhile was said in what is missing.
            self._hub.attendance.tell_members(connection, name)


def _is_current(reader: Reader) -> bool:
    """Whether the session still reads with this reader: it may have left, or lost its connection, meanwhile."""
    return reader.session.readers.get(reader.feed.log) is reader


def _may_read(reader: Reader) -> bool:
    is_full = reader.window is not None and reader.window.is_full
    return reader.lagging and not (reader.connection.paused or reader.holds or is_full)
