"""Deliveries that are to be acknowledged: kept in a window, and sent again when no progress comes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubbub.delivery.acks import WINDOW, AckWindow
from hubbub.errors import BadMessage, Conflict, error_of
from hubbub.hub.audience import unseal
from hubbub.hub.connection import State
from hubbub.hub.feed import Delivery, Feed, Reader
from hubbub.hub.journal import Stretch
from hubbub.hub.session import Session
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import AckMessage

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")

REDELIVERIES = 3
_SEARCHED = 1024
"""Records looked through, in each of a few logs, for the one that a message id names."""
_SEARCHED_LOGS = 8


class Awaiting:
    """All readers with a window. A delivery costs them nothing; a sweep looks for what was not acknowledged in time."""

    def __init__(self, hub: Hub, patience: float) -> None:
        self._hub = hub
        self._patience = patience
        self._readers: dict[Reader, None] = {}

    def begin(self, reader: Reader, offset: int) -> None:
        """What the reader gets after this offset it is to acknowledge. It is not live."""
        reader.window = AckWindow(offset)
        self._readers[reader] = None

    def forget(self, reader: Reader) -> None:
        self._readers.pop(reader, None)

    def hold_back(self, feed: Feed, deliveries: Sequence[Delivery], before: int) -> None:
        """The live readers with no room for this turn's records leave the feed. `before` is where it was.

        The others get them as everybody does. Nobody is looked at as long as all of them may have everything.
        """
        assert feed.awaited is not None
        top = deliveries[-1].offset
        if top - feed.floor <= WINDOW:
            return
        floor = top
        for reader in list(feed.awaited):
            window = reader.window
            assert window is not None
            if top - window.floor > WINDOW and not self._fits(reader, window, deliveries, before):
                # It waits: what it does not get now is read from the log when there is room again.
                feed.lag(reader, before)
                if window.has_room:
                    self._hub.catchup.go_on(reader)
            else:
                floor = min(floor, window.floor)
        feed.floor = floor

    def _fits(self, reader: Reader, window: AckWindow, deliveries: Sequence[Delivery], before: int) -> bool:
        reader.feed.count(reader, before)
        wanted = sum(reader.wants(item.channel.text, item.audience) for item in deliveries)
        return len(window.pending) + wanted <= WINDOW

    def sent(self, reader: Reader, offset: int) -> None:
        """A reader that lags was sent this record."""
        assert reader.window is not None
        reader.window.sent(offset, self._hub.clock())

    def acknowledged(self, session: Session, message: AckMessage) -> None:
        """The client has processed a log up to an offset, or up to the message with an id.

        Raises `ProtocolError`: for a log that it does not read, or what it was never sent.
        """
        if message.offset is UNSET:
            self._acknowledged_by_id(session, message)
            return
        if message.channel is UNSET:
            raise BadMessage("invalid_channel", "name the channel of the offset", field="channel")
        reader = session.readers.get(parse_channel(message.channel).log)
        if reader is None:
            raise Conflict("not_joined", f"you do not read {message.channel}", field="channel")
        if message.epoch is not UNSET and reader.feed.epoch and message.epoch != reader.feed.epoch:
            raise BadMessage("invalid_message", "the log has another epoch", field="epoch")
        if message.offset > reader.sent:
            raise BadMessage("invalid_message", f"{message.offset} was never sent", field="offset")
        self._progress(reader, message.offset)

    def sweep(self, now: float) -> None:
        """Whose time is over gets everything again from its last acknowledged position, or is sent away."""
        for reader in list(self._readers):
            window = reader.window
            if window is None or now - window.progress < self._patience:
                continue
            reader.feed.count(reader)
            if not window.is_overdue(now, self._patience):
                continue
            connection = reader.connection
            if connection.transport.buffered():
                # The time runs from when the frames left the buffer.
                window.progress = now
            elif window.attempts < REDELIVERIES:
                self._hub.counts.redeliveries += 1
                self._hub.catchup.follow(reader, window.rewind())
            elif connection.state is State.OPEN:
                log.info("connection %s acknowledges nothing of %s: closed", connection.id, reader.feed.log)
                self._hub.close(connection, 4410, f"deliveries of {reader.feed.log} are not acknowledged")

    def _progress(self, reader: Reader, offset: int) -> None:
        window = reader.window
        if window is None:
            reader.acked = max(reader.acked, offset)
            return
        if not window.acknowledge(offset, self._hub.clock()):
            return
        if reader.lagging and window.has_room and not reader.connection.throttled:
            self._hub.catchup.go_on(reader)

    def _acknowledged_by_id(self, session: Session, message: AckMessage) -> None:
        if message.message_id is UNSET:
            raise BadMessage("invalid_message", "an ack names an offset or a messageId", field="offset")
        if message.channel is not UNSET:
            named = session.readers.get(parse_channel(message.channel).log)
            readers = [named] if named is not None else []
        else:
            awaited = [reader for reader in session.readers.values() if reader.feed.count(reader)]
            readers = awaited[:_SEARCHED_LOGS]
        self._search(session, readers, message.message_id.lower().encode())

    def _search(self, session: Session, readers: list[Reader], wanted: bytes) -> None:
        """Looks for the message among what was sent last, one log after the other."""
        if not readers:
            error = error_of("not_found", "no such message waits for an ack", field="messageId")
            error.message_id = wanted.decode()
            if session.connection is not None:
                self._hub.outbox.send_error(session.connection, error)
            return
        reader, *others = readers

        def arrived(page: Stretch | None) -> None:
            for offset, record in page.entries if page is not None else ():
                # An id within a text would be found as well, and then counts only if it is the message's own.
                if wanted in record.lower() and self._id_of(record, offset) == wanted:
                    self._progress(reader, offset)
                    return
            self._search(session, others, wanted)

        after = reader.window.acked if reader.window is not None else max(reader.acked, reader.sent - _SEARCHED)
        self._hub.journal.read(reader.feed.log, arrived, after=after, before=reader.sent + 1, limit=_SEARCHED)

    def _id_of(self, record: bytes, offset: int) -> bytes:
        message = self._hub.wire.decode_record(unseal(record)[1], offset)
        return str(message.message_id).lower().encode()
