"""Coming and going: rooms are entered and left, and the others hear of it; topics are subscribed to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from hubbub.errors import Conflict, Denied, ProtocolError, error_of
from hubbub.hub.entrance import Entrance
from hubbub.hub.feed import Feed, Reader
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Roll, Seat
from hubbub.hub.session import Session
from hubbub.hub.sessions import is_attached
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import (
    AckMessage,
    SubscribedMessage,
    SystemMessage,
    UnsubscribedMessage,
)
from hubbub.protocol.payloads import AckDetails, Position, System

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")

_SHOWN_MEMBERS = 100


class Membership:
    """Which session is in which room and on which topic."""

    def __init__(self, hub: Hub, *, max_subscriptions: int) -> None:
        self._hub = hub
        self._entrance = Entrance(hub)
        self._max_subscriptions = max_subscriptions
        self._next_subscription = 1

    def join(
        self, session: Session, id: str, position: Position | None, message_id: str | None, *, ack: bool = False
    ) -> None:
        """The session enters the room and reads its log from the head, or from `position`; it is told by an ack.

        With `ack` it is to acknowledge what it gets.

        Raises `ProtocolError` (`room_full`, `not_found`, `already_joined`, `forbidden`).
        """
        self._require_space(session)
        connection = session.connection

        def seated(seat: Seat | ProtocolError) -> None:
            if isinstance(seat, ProtocolError):
                self._refuse(session, seat, message_id)
                return

            def known(roll: Roll | None) -> None:
                # One that lost its connection meanwhile is in the room, and reads it when it is back.
                if connection is None or not is_attached(session, connection):
                    return

                if roll is None:
                    self._let_out(session, seat)
                    self._unavailable(session, message_id)
                    return

                def entered(reader: Reader | None, place: Position, recovered: bool) -> None:
                    self._entered(session, seat, roll, reader, place, recovered, message_id)

                self._entrance.enter(session, seat.room.log, position, entered, ack=ack)

            self._call_roll(seat.room, known)

        self._hub.roster.join(id, session, seated)

    def _call_roll(self, room: Room, known: Callable[[Roll | None], None]) -> None:
        """Who is in the room, asked when its log is open here: of whoever comes later one is told."""

        def opened(feed: Feed | None) -> None:
            if feed is None:
                known(None)
                return
            feed.pins += 1

            def called(roll: Roll | None) -> None:
                known(roll)
                feed.pins -= 1
                self._hub.feeds.release(feed)

            self._hub.roster.members(room, _SHOWN_MEMBERS, called)

        self._hub.feeds.open(room.log, opened)

    def _entered(
        self,
        session: Session,
        seat: Seat,
        roll: Roll,
        reader: Reader | None,
        place: Position,
        recovered: bool,
        message_id: str | None,
    ) -> None:
        """The session is in a room, and reads its log; or does not, and is out of it again."""
        room = seat.room
        if reader is None:
            self._let_out(session, seat)
            self._unavailable(session, message_id)
            return

        def answer(position: Position) -> None:
            if room.id not in session.rooms:
                self._refuse(session, Conflict("not_joined", "you were removed again"), message_id)
                return
            details = AckDetails(
                epoch=position.epoch,
                offset=position.offset,
                recovered=recovered,
                count=roll.count,
                members=list(roll.users),
                moderator=room.creator == session.user.name,
            )
            self._acknowledge(session, room.channel, details, message_id)

        self._entrance.keep(session, reader, place, answer)
        if seat.is_first:
            self._hub.attendance.announce(room, "join", session.user.name, seat.count)

    def _let_out(self, session: Session, seat: Seat) -> None:
        """The session cannot read the room that it is in. Nobody was told that it came."""
        is_last = self._hub.rooms.leave(seat.room, session)
        self._hub.roster.left(seat.room, session, is_last, lambda last, count: None)

    def leave(self, room: Room, session: Session) -> None:
        """The session leaves the room; the others hear of the user's last one."""
        self._hub.feeds.leave(session, room.log)
        self._leave(room, session)

    def expel(self, room: Room, session: Session, reason: str) -> None:
        """The session leaves because somebody said so, and is told: at once, or when it comes back."""
        self.leave(room, session)
        if session.connection is None:
            self._lose(session, room.channel)
            return
        send = self._hub.outbox.send
        send(session.connection, UnsubscribedMessage(channel=room.channel))
        send(
            session.connection,
            SystemMessage(channel=room.channel, payload=System(content=reason, level="warning")),
        )

    def forbid(self, session: Session, channels: Collection[str]) -> None:
        """A session that comes back may not be in these any more."""
        for room in [room for room in session.rooms.values() if room.channel in channels]:
            self.leave(room, session)
        subscriptions = session.subscriptions or {}
        for id, topic in [(id, topic) for id, topic in subscriptions.items() if topic in channels]:
            self.unsubscribe(session, id, parse_channel(topic))
        for channel in channels:
            self._lose(session, channel)

    def step_out(self, room: Room, session: Session) -> None:
        """The session was away for too long: its user has left, as far as the others can see."""
        self._depart(room, session, self._hub.rooms.step_out(room, session))

    def let_go(self, room: Room, session: Session) -> None:
        """The session is in the room over another hub: here it is not, and nobody has to hear of that."""
        self._hub.rooms.leave(room, session)

    def come_back(self, room: Room, session: Session) -> None:
        """The session is in the room as before."""
        is_first = self._hub.rooms.come_back(room, session)
        room = session.rooms[room.id]

        def returned(is_first: bool, count: int) -> None:
            if is_first:
                self._hub.attendance.announce(room, "join", session.user.name, count)

        self._hub.roster.came_back(room, session, is_first, returned)

    def subscribe(
        self,
        session: Session,
        channel: Channel,
        position: Position | None,
        message_id: str | None,
        *,
        ack: bool = False,
    ) -> None:
        """The session reads a topic or pattern; the ack has the subscription's id."""
        self._require_space(session)
        subscription = f"s{self._next_subscription}"
        self._next_subscription += 1

        def entered(reader: Reader | None, place: Position, recovered: bool) -> None:
            if reader is None:
                self._unavailable(session, message_id)
                return

            def answer(position: Position) -> None:
                details = AckDetails(
                    epoch=position.epoch,
                    offset=position.offset,
                    recovered=recovered,
                    subscription_id=subscription,
                )
                self._acknowledge(session, channel.text, details, message_id)

            assert reader.patterns is not None
            reader.feed.count(reader)
            number = reader.patterns.get(channel.text, 0)
            reader.patterns[channel.text] = number + 1
            if number == 0 and not reader.lagging:
                reader.feed.add_topic(channel.text, reader.connection)
            if session.subscriptions is None:
                session.subscriptions = {}
            session.subscriptions[subscription] = channel.text
            self._entrance.keep(session, reader, place, answer)

        self._entrance.enter(session, channel.log, position, entered, ack=ack)

    def unsubscribe(self, session: Session, subscription: str, channel: Channel) -> None:
        """The subscription ends. The log is read no more when it was the last one on it."""
        assert session.subscriptions is not None
        del session.subscriptions[subscription]
        reader = session.readers.get(channel.log)
        patterns = reader.patterns if reader is not None else (session.rests or {})[channel.log].patterns
        assert patterns is not None
        if reader is not None:
            reader.feed.count(reader)
        patterns[channel.text] -= 1
        if patterns[channel.text] == 0:
            del patterns[channel.text]
            if reader is not None and not reader.lagging:
                reader.feed.discard_topic(channel.text, reader.connection)
        if not patterns:
            self._hub.feeds.leave(session, channel.log)
        self._hub.vault.touch(session)

    def group_changed(self, session: Session, group: str, added: bool) -> None:
        """A call put the session into a group or took it out: it is told."""
        reader = session.readers.get("all")
        if reader is None or session.connection is None:
            return
        position = Position(reader.feed.epoch, reader.feed.flushed)
        kind = SubscribedMessage if added else UnsubscribedMessage
        self._hub.outbox.send(session.connection, kind(channel=f"group:{group}", payload=position))

    def room_entered(self, session: Session, room: Room) -> None:
        """The application put the session into a room: it is told, and reads from the head."""
        connection = session.connection

        def seated(seat: Seat | ProtocolError) -> None:
            if isinstance(seat, ProtocolError):
                log.warning("%s was not put into %s: %s", session.user.name, room.channel, seat)
                return
            if session.connection is None:
                self._entrance.enter_later(session, room.log)
                return
            if session.connection is not connection:
                return

            def entered(reader: Reader | None, place: Position, recovered: bool) -> None:
                if reader is None:
                    self._let_out(session, seat)
                    return
                self._entrance.keep(
                    session, reader, place, lambda position: self._tell_entered(session, room, position)
                )
                if seat.is_first:
                    self._hub.attendance.announce(seat.room, "join", session.user.name, seat.count)

            self._entrance.enter(session, room.log, None, entered, ack=False)

        self._hub.roster.join(room.id, session, seated)

    def tell_rooms(self, session: Session) -> None:
        """The session has its welcome: where the application put it before that, it is told now."""
        for room in session.rooms.values():
            reader = session.readers.get(room.log)
            if reader is not None:
                self._tell_entered(session, room, Position(reader.feed.epoch, reader.sent))

    def _tell_entered(self, session: Session, room: Room, position: Position) -> None:
        if session.connection is not None and room.id in session.rooms and not session.is_beginning:
            self._hub.outbox.send(session.connection, SubscribedMessage(channel=room.channel, payload=position))

    def _leave(self, room: Room, session: Session) -> None:
        self._hub.vault.touch(session)
        self._depart(room, session, self._hub.rooms.leave(room, session))

    def _depart(self, room: Room, session: Session, is_last: bool) -> None:
        def departed(is_last: bool, count: int) -> None:
            if is_last:
                self._hub.attendance.announce(room, "leave", session.user.name, count)

        self._hub.roster.left(room, session, is_last, departed)

    def _lose(self, session: Session, channel: str) -> None:
        if session.lost is None:
            session.lost = []
        if channel not in session.lost and len(session.lost) < self._max_subscriptions:
            session.lost.append(channel)

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
        if session.connection is not None:
            self._hub.outbox.send(session.connection, ack)

    def _unavailable(self, session: Session, message_id: str | None) -> None:
        self._refuse(session, error_of("unavailable", "the log cannot be had now", retry_after_ms=1000), message_id)

    def _refuse(self, session: Session, error: ProtocolError, message_id: str | None) -> None:
        error.message_id = message_id
        if session.connection is not None:
            self._hub.outbox.send_error(session.connection, error)


def subscription_of(session: Session, subscription: str) -> str:
    """The channel of one of the session's subscriptions. Raises `Conflict` (`not_found`)."""
    channel = (session.subscriptions or {}).get(subscription)
    if channel is None:
        raise Conflict("not_found", "there is no such subscription", field="payload.subscriptionId")
    return channel
