"""Deliveries that are to be acknowledged: kept in a window, and sent again when no progress comes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubbub.delivery.acks import Deadlines
from hubbub.errors import BadMessage, Conflict, error_of
from hubbub.hub.audience import unseal
from hubbub.hub.feed import Delivery, Feed, Reader
from hubbub.hub.journal import Stretch
from hubbub.hub.session import Session
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import AckMessage
from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")

REDELIVERIES = 3
_SEARCHED = 1024
"""Records looked through, in each of a few logs, for the one that a message id names."""
_SEARCHED_LOGS = 8


class Awaiting:
    """All readers with a window. Their deadlines stand in one row; a sweep looks at its front."""

    def __init__(self, hub: Hub, patience: float) -> None:
        self._hub = hub
        self._deadlines: Deadlines[Reader] = Deadlines(patience)

    def deliver(self, feed: Feed, deliveries: Sequence[Delivery], before: int) -> None:
        """The turn's records, for the live readers that acknowledge. `before` is where the feed was."""
        assert feed.awaited is not None
        is_for_all = feed.topics is None and all(item.audience is None for item in deliveries)
        # What readers of one profile are to get alike is made once for all of them.
        made: dict[tuple[Profile, tuple[int, ...]], bytes | None] = {}
        offsets = tuple(item.offset for item in deliveries)
        for reader in list(feed.awaited):
            connection = reader.connection
            if is_for_all:
                wanted, chosen = deliveries, offsets
            else:
                wanted = [item for item in deliveries if reader.wants(item.channel.text, item.audience)]
                chosen = tuple(item.offset for item in wanted)
            if not wanted:
                continue
            window = reader.window
            assert window is not None
            if not window.fits(len(chosen)):
                # It waits: what it does not get now is read from the log when there is room again.
                feed.lag(reader, before)
                if window.has_room:
                    self._hub.catchup.go_on(reader)
                continue
            key = connection.profile, chosen
            if key not in made:
                made[key] = self._hub.encode(connection.profile, wanted)
            data = made[key]
            if data is None:
                self._hub.close(connection, 1011, "the server failed")
                continue
            self._hub.outbox.push(connection, data, len(chosen))
            self.sent(reader, chosen)

    def sent(self, reader: Reader, offsets: Sequence[int]) -> None:
        window = reader.window
        assert window is not None
        if not window.pending:
            self._deadlines.set(reader, self._hub.clock())
        window.sent(offsets)

    def forget(self, reader: Reader) -> None:
        self._deadlines.clear(reader)

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
        for reader in list(self._deadlines.expired(now)):
            window = reader.window
            if window is None or not window.pending:
                continue
            connection = reader.connection
            if connection.transport.buffered():
                # The time runs from when the frames left the buffer.
                self._deadlines.set(reader, now)
            elif window.attempts >= REDELIVERIES:
                log.info("connection %s acknowledges nothing of %s: closed", connection.id, reader.feed.log)
                self._hub.close(connection, 4410, f"deliveries of {reader.feed.log} are not acknowledged")
            else:
                self._hub.catchup.follow(reader, window.rewind())

    def _progress(self, reader: Reader, offset: int) -> None:
        window = reader.window
        if window is None:
            reader.acked = max(reader.acked, offset)
            return
        if not window.acknowledge(offset):
            return
        if window.pending:
            self._deadlines.set(reader, self._hub.clock())
        else:
            self._deadlines.clear(reader)
        if reader.lagging and window.has_room and not reader.connection.throttled:
            self._hub.catchup.go_on(reader)

    def _acknowledged_by_id(self, session: Session, message: AckMessage) -> None:
        if message.message_id is UNSET:
            raise BadMessage("invalid_message", "an ack names an offset or a messageId", field="offset")
        if message.channel is not UNSET:
            named = session.readers.get(parse_channel(message.channel).log)
            readers = [named] if named is not None else []
        else:
            awaited = [reader for reader in session.readers.values() if reader.window and reader.window.pending]
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
