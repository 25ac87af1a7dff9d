"""Coming and going: rooms are entered and left, and the others hear of it; topics are subscribed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hubbub.errors import Conflict, Denied, error_of
from hubbub.hub.connection import Connection
from hubbub.hub.feed import Feed
from hubbub.hub.journal import Stretch
from hubbub.hub.rooms import Room
from hubbub.hub.session import Session
from hubbub.protocol.channels import Channel
from hubbub.protocol.messages import (
    AckMessage,
    PresenceMessage,
    SubscribedMessage,
    SystemMessage,
    UnsubscribedMessage,
)
from hubbub.protocol.payloads import AckDetails, Position, Presence, System

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_SHOWN_MEMBERS = 100


class Membership:
    """Which session is in which room and on which topic."""

    def __init__(self, hub: Hub, *, presence_limit: int, max_subscriptions: int) -> None:
        self._hub = hub
        self._presence_limit = presence_limit
        self._max_subscriptions = max_subscriptions
        self._next_subscription = 1

    def join(self, session: Session, id: str, position: Position | None, message_id: str | None) -> None:
        """The session enters the room and reads its log from the head, or from `position`; it is told by an ack.

        Raises `ProtocolError` (`room_full`, `not_found`, `already_joined`, `forbidden`).
        """
        self._require_space(session)
        room, is_first = self._hub.rooms.enter(id, session)

        def entered(position: Position | None, recovered: bool) -> None:
            if position is None:
                self._leave(room, session)
                self._unavailable(session, message_id)
                return
            details = AckDetails(
                epoch=position.epoch,
                offset=position.offset,
                recovered=recovered,
                count=len(room.members),
                members=list(room.members)[:_SHOWN_MEMBERS],
                moderator=room.creator == session.user.name,
            )
            self._acknowledge(session, room.channel, details, message_id)
            if is_first:
                self.announce(room, "join", session)

        self._read(session, room.log, position, entered)

    def leave(self, room: Room, session: Session) -> None:
        """The session leaves the room; the others hear of the user's last one."""
        self._hub.feeds.leave(session, room.log)
        self._leave(room, session)

    def expel(self, room: Room, session: Session, reason: str) -> None:
        """The session leaves because somebody said so, and is told."""
        self.leave(room, session)
        send = self._hub.outbox.send
        send(session.connection, UnsubscribedMessage(channel=room.channel))
        send(
            session.connection,
            SystemMessage(channel=room.channel, payload=System(content=reason, level="warning")),
        )

    def announce(self, room: Room, event: str, session: Session) -> None:
        """Tells the room's other users that one came or went, unless the room is too large for that."""
        hub = self._hub
        if len(room.members) > self._presence_limit:
            return
        user = session.user.name
        payload = Presence(event=event, user=user, count=len(room.members))  # type: ignore[arg-type]
        message = PresenceMessage(channel=room.channel, payload=payload)
        frames: dict[object, bytes] = {}
        for member, sessions in room.members.items():
            if member == user:
                continue
            for other in sessions:
                connection = other.connection
                if connection.paused:
                    # Ephemeral: a members snapshot follows when its socket drains.
                    connection.missed_presence = True
                    continue
                frame = frames.get(connection.profile)
                if frame is None:
                    frame = frames[connection.profile] = hub.wire.frame(connection.profile, message)
                hub.outbox.push(connection, frame)

    def tell_members(self, connection: Connection) -> None:
        """A snapshot for a connection that missed presence events while its socket was full."""
        connection.missed_presence = False
        if connection.session is None:
            return
        for room in connection.session.rooms.values():
            payload = Presence(count=len(room.members), members=list(room.members)[:1000])
            self._hub.outbox.send(connection, PresenceMessage(channel=room.channel, payload=payload))

    def subscribe(self, session: Session, channel: Channel, position: Position | None, message_id: str | None) -> None:
        """The session reads a topic or pattern; the ack has the subscription's id."""
        self._require_space(session)
        subscription = f"s{self._next_subscription}"
        self._next_subscription += 1

        def entered(position: Position | None, recovered: bool) -> None:
            if position is None:
                self._unavailable(session, message_id)
                return
            reader = session.readers[channel.log]
            assert reader.patterns is not None
            number = reader.patterns.get(channel.text, 0)
            reader.patterns[channel.text] = number + 1
            if number == 0 and not reader.lagging:
                reader.feed.add_topic(channel.text, session.connection)
            if session.subscriptions is None:
                session.subscriptions = {}
            session.subscriptions[subscription] = channel.text
            details = AckDetails(
                epoch=position.epoch,
                offset=position.offset,
                recovered=recovered,
                subscription_id=subscription,
            )
            self._acknowledge(session, channel.text, details, message_id)

        self._read(session, channel.log, position, entered)

    def unsubscribe(self, session: Session, subscription: str, channel: Channel) -> None:
        """The subscription ends. The log is read no more when it was the last one on it."""
        assert session.subscriptions is not None
        del session.subscriptions[subscription]
        reader = session.readers[channel.log]
        assert reader.patterns is not None
        reader.patterns[channel.text] -= 1
        if reader.patterns[channel.text] == 0:
            del reader.patterns[channel.text]
            if not reader.lagging:
                reader.feed.discard_topic(channel.text, session.connection)
        if not reader.patterns:
            self._hub.feeds.leave(session, channel.log)

    def group_changed(self, session: Session, group: str, added: bool) -> None:
        """A call put the session into a group or took it out: it is told."""
        reader = session.readers.get("all")
        if reader is None:
            return
        position = Position(reader.feed.epoch, reader.feed.flushed)
        kind = SubscribedMessage if added else UnsubscribedMessage
        self._hub.outbox.send(session.connection, kind(channel=f"group:{group}", payload=position))

    def room_entered(self, session: Session, room: Room) -> None:
        """The application put the session into a room: it is told, and reads from the head."""
        room, is_first = self._hub.rooms.enter(room.id, session)

        def entered(position: Position | None, recovered: bool) -> None:
            if position is None:
                self._leave(room, session)
                return
            self._hub.outbox.send(session.connection, SubscribedMessage(channel=room.channel, payload=position))
            if is_first:
                self.announce(room, "join", session)

        self._read(session, room.log, None, entered)

    def _leave(self, room: Room, session: Session) -> None:
        if self._hub.rooms.leave(room, session):
            self.announce(room, "leave", session)

    def _read(self, session: Session, log: str, wanted: Position | None, entered: _Entered) -> None:
        """Opens the log for the session, from the position it names if it does not read it yet."""

        def opened(feed: Feed | None) -> None:
            if session.connection.session is not session:
                return
            if feed is None:
                entered(None, False)
            elif wanted is None or session in feed.readers:
                reader = self._hub.feeds.enter(feed, session)
                offset = reader.offset if reader.lagging else feed.flushed
                entered(Position(feed.epoch, offset), True)
            else:
                self._hub.journal.read(log, lambda page: located(feed, page), after=wanted.offset, limit=0)

        def located(feed: Feed, page: Stretch | None) -> None:
            assert wanted is not None
            if session.connection.session is not session:
                return
            if page is None:
                entered(None, False)
                return
            recovered = page.epoch == wanted.epoch and page.oldest - 1 <= wanted.offset <= page.head
            after = wanted.offset if recovered else page.oldest - 1
            self._hub.feeds.enter(feed, session, after)
            entered(Position(page.epoch, after), recovered)

        self._hub.feeds.open(log, opened)

    def _require_space(self, session: Session) -> None:
        if len(session.rooms) + len(session.subscriptions or ()) >= self._max_subscriptions:
            raise Denied(
                "forbidden",
                f"a session has at most {self._max_subscriptions} rooms and topics",
                field="channel",
            )

    def _acknowledge(self, session: Session, channel: str, details: AckDetails, message_id: str | None) -> None:
        ack = AckMessage(channel=channel, payload=details)
        if message_id is not None:
            ack.message_id = message_id
        self._hub.outbox.send(session.connection, ack)

    def _unavailable(self, session: Session, message_id: str | None) -> None:
        error = error_of("unavailable", "the log cannot be had now", message_id=message_id, retry_after_ms=1000)
        self._hub.outbox.send_error(session.connection, error)


class _Entered(Protocol):
    """Called with the position from which delivery goes on, or None when the log cannot be had."""

    def __call__(self, position: Position | None, recovered: bool) -> None: ...


def subscription_of(session: Session, subscription: str) -> str:
    """The channel of one of the session's subscriptions. Raises `Conflict` (`not_found`)."""
    channel = (session.subscriptions or {}).get(subscription)
    if channel is None:
        raise Conflict("not_found", "there is no such subscription", field="payload.subscriptionId")
    return channel
