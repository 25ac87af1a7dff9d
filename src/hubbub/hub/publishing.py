"""From an accepted message to a committed record: what is published, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET, MsgspecError, Raw, Struct

from hubbub.errors import BadMessage, ProtocolError, error_of
from hubbub.hub.arrival import read_record
from hubbub.hub.audience import Audience, seal
from hubbub.hub.connection import Connection, State
from hubbub.hub.feed import Delivery
from hubbub.hub.peers import Passed
from hubbub.hub.permissions import require
from hubbub.hub.session import Session
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import AckMessage, ApplicationMessage, Message
from hubbub.protocol.payloads import Position
from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")

_OPEN_KINDS = frozenset({"room", "topic"})
"""Kinds of channel that nobody is kept from publishing to, once they are where it is allowed."""

Outcome = Callable[[Position | ProtocolError], None]


class Publication(Struct, eq=False):
    """A message on its way into a log, and who waits for its acknowledgement.

    `body` is the message as it is delivered, but for its offset; `record` is what the log keeps. The ack of a
    `session`'s message goes to the connection that it has by then. By its `key` it supersedes earlier records,
    where the log conflates. `offset` is where it stands, once it is committed.
    """

    channel: Channel
    message: ApplicationMessage
    body: bytes
    record: bytes
    audience: Audience | None = None
    session: Session | None = None
    outcome: Outcome | None = None
    key: str = ""
    offset: int = 0


class Publishing:
    """Takes messages, collects a turn's publications for the journal, and hands on what was committed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pending: list[Publication] = []

    def publish_from(self, connection: Connection, message: ApplicationMessage, verdict: bool | None) -> None:
        """A client publishes. Raises `ProtocolError`; success is told by the `ack`."""
        hub = self._hub
        session = connection.session
        assert session is not None
        channel = published_channel(message)
        kind = channel.kind
        if kind == "doc":
            hub.kinds.refuse(channel)
        if verdict is not None or kind not in _OPEN_KINDS:
            require(verdict, session.user, "publish", channel)
        if kind == "room":
            room = hub.rooms.require_member(channel.id, session)
            if room.muted:
                hub.rooms.require_voice(room, session.user.name)
        message.timestamp = hub.wall_ms()
        message.offset = message.version = UNSET
        if hub.catalog.is_ephemeral(message.type):
            self._pass_on(channel, message, connection)
            hub.outbox.send(connection, AckMessage(message_id=message.message_id, channel=channel.text))
            return
        body = hub.wire.encode_record(message)
        if kind == "group":
            audience = Audience(groups=(channel.id,))
            self.add(Publication(channel, message, body, seal(audience, body), audience, session))
        else:
            self.add(Publication(channel, message, body, body, None, session))

    def publish(
        self,
        message: ApplicationMessage,
        audience: Audience | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        """The application publishes: no permission is asked. `outcome` gets the position or the error."""
        channel = published_channel(message)
        message.timestamp = self._hub.wall_ms()
        if audience is None and channel.kind == "group":
            self._hub.groups.get(channel.id)
            audience = Audience(groups=(channel.id,))
        if self._hub.catalog.is_ephemeral(message.type):
            self._pass_on(channel, message, None)
            if outcome is not None:
                outcome(Position("", 0))
            return
        body = self._hub.wire.encode_record(message)
        self.add(Publication(channel, message, body, seal(audience, body), audience, None, outcome))

    def add(self, publication: Publication) -> None:
        if self._hub.rules.conflates:
            publication.key = self._hub.rules.key_of(publication.channel, publication.message)
        self._pending.append(publication)
        self._hub.wake()

    def take(self) -> list[Publication]:
        """The turn's publications; the next turn begins with none."""
        batch, self._pending = self._pending, []
        return batch

    def committed(self, publication: Publication, epoch: str, offset: int, repeated: bool) -> None:
        """This node's log has it: acknowledge it, and deliver it unless it is a repeat."""
        hub = self._hub
        if not repeated:
            feed = hub.feeds.for_delivery(publication.channel, offset)
            if feed is not None:
                if feed.epoch != epoch:
                    if feed.epoch:
                        hub.fanout.begin_anew(feed, epoch, offset)
                    else:
                        hub.fanout.name(feed, epoch)
                # A feed that was opened while this was on its way may have begun after it already.
                if offset > feed.flushed:
                    if not feed.fresh:
                        hub.fanout.fresh.append(feed)
                    publication.offset = offset
                    feed.fresh.append(publication)
        self.acknowledge(publication, epoch, offset)

    def acknowledge(self, publication: Publication, epoch: str, offset: int) -> None:
        """A log has it there: whoever published it is told."""
        if publication.session is not None:
            connection = publication.session.connection
            if connection is not None and connection.state is State.OPEN:
                wire, id = self._hub.wire, publication.message.message_id
                frame = wire.ack_frame(connection.profile, id, publication.channel, offset, epoch)
                self._hub.outbox.push(connection, frame)
        elif publication.outcome is not None:
            publication.outcome(Position(epoch, offset))

    def arrived(self, name: str, entries: Sequence[tuple[int, bytes | Publication]]) -> None:
        """These are next in a shared log, each with its offset: records, or what was published here."""
        hub = self._hub
        feed = hub.feeds.find(name)
        if feed is None:
            return
        fresh: list[Delivery] = []
        for offset, item in entries:
            if isinstance(item, Publication):
                item.offset = offset
                fresh.append(item)
                continue
            try:
                fresh.append(read_record(hub.wire, item, offset))
            except (ProtocolError, MsgspecError):
                # Nobody can read it. The others are not to wait for it.
                log.exception("record %d of %s cannot be read, and is left out", offset, name)
        if fresh:
            if not feed.fresh:
                hub.fanout.fresh.append(feed)
            feed.fresh += fresh
            hub.wake()

    def refused(self, publication: Publication, code: str, reason: str) -> None:
        """The log has it not: whoever published it is told."""
        error = error_of(code, reason, message_id=publication.message.message_id)
        if publication.session is not None:
            connection = publication.session.connection
            if connection is not None and connection.state is State.OPEN:
                self._hub.outbox.send_error(connection, error)
        elif publication.outcome is not None:
            publication.outcome(error)
        else:
            log.error("%s was not published: %s", publication.message.type, error)

    def _pass_on(self, channel: Channel, message: ApplicationMessage, author: Connection | None) -> None:
        """An ephemeral message goes beside the log, to whoever reads live now, but not to its author."""
        self.pass_on(channel, message, author)
        if self._hub.peers is not None:
            body = Raw(self._hub.wire.encode_record(message))
            self._hub.peers.tell_readers(channel.log, Passed(channel.text, body))

    def pass_on(self, channel: Channel, message: Message, author: Connection | None = None) -> None:
        """As before, but only to those of this hub."""
        hub = self._hub
        frames: dict[Profile, bytes] = {}
        for connection in self._present(channel):
            if connection is author or connection.paused:
                continue
            profile = connection.profile
            if profile not in frames:
                frames[profile] = hub.wire.frame(profile, message)
            hub.outbox.push(connection, frames[profile])
        hub.wake()

    def _present(self, channel: Channel) -> list[Connection]:
        """Who reads the channel now, over a socket that drains or not."""
        hub = self._hub
        if channel.kind == "user":
            sessions = hub.groups.sessions_of(channel.id)
            return [session.connection for session in sessions if session.connection and session.is_present]
        feed = hub.feeds.find(channel.log)
        if feed is None:
            return []
        audience = Audience(groups=(channel.id,)) if channel.kind == "group" else None
        readers = [reader for reader in feed.readers.values() if reader.session.is_present]
        return [reader.connection for reader in readers if reader.wants(channel.text, audience)]


def published_channel(message: ApplicationMessage) -> Channel:
    """The channel that a message goes to. Raises `BadMessage` (`invalid_channel`): none, of no kind, a pattern."""
    if message.channel is UNSET:
        raise BadMessage("invalid_channel", "a message goes to a channel", field="channel")
    channel = parse_channel(message.channel)
    if channel.is_pattern:
        raise BadMessage("invalid_channel", "nobody can publish to a pattern", field="channel")
    return channel
