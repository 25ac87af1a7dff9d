"""Who is in a room, as its members are told: who comes and goes, and all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.errors import error_of
from hubbub.hub.connection import Connection, State
from hubbub.hub.peers import Moved
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Roll
from hubbub.protocol.messages import PresenceMessage
from hubbub.protocol.payloads import Presence

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_MOST_MEMBERS = 1000


class Attendance:
    """Beside the logs: who misses an event gets a snapshot."""

    def __init__(self, hub: Hub, presence_limit: int) -> None:
        """In a room with more users than `presence_limit` nobody is told who comes and goes."""
        self._hub = hub
        self._presence_limit = presence_limit

    def announce(self, room: Room, event: str, user: str, count: int) -> None:
        """Tells the room's other users, wherever they are, that one came or went."""
        self.announce_here(room, event, user, count)
        if self._hub.peers is not None and count <= self._presence_limit:
            self._hub.peers.tell_readers(room.log, Moved(room.id, event, user, count))

    def announce_here(self, room: Room, event: str, user: str, count: int) -> None:
        """Tells those of this hub, unless the room is too large for that. `count` users are in it now."""
        hub = self._hub
        if count > self._presence_limit:
            return
        payload = Presence(event=event, user=user, count=count)  # type: ignore[arg-type]
        message = PresenceMessage(channel=room.channel, payload=payload)
        frames: dict[object, bytes] = {}
        for member, sessions in room.members.items():
            if member == user:
                continue
            for other in sessions:
                connection = other.connection
                if connection is None or connection.state is not State.OPEN:
                    continue
                if connection.paused:
                    # Ephemeral: a members snapshot follows when its socket drains.
                    connection.missed_presence = True
                    continue
                frame = frames.get(connection.profile)
                if frame is None:
                    frame = frames[connection.profile] = hub.wire.frame(connection.profile, message)
                hub.outbox.push(connection, frame)

    def tell_members(self, connection: Connection, log: str | None = None) -> None:
        """A snapshot for a connection that may have missed presence events: of all its rooms, or of one."""
        if log is None:
            connection.missed_presence = False
        if connection.session is None:
            return
        for room in list(connection.session.rooms.values()):
            if log is None or room.log == log:
                self.tell_roll(connection, room)

    def tell_roll(self, connection: Connection, room: Room, message_id: str | None = None) -> None:
        """Tells a connection who is in a room; in answer to a request, with its id."""

        def known(roll: Roll | None) -> None:
            if connection.session is None:
                return
            if roll is not None:
                payload = Presence(count=roll.count, members=list(roll.users))
                message = PresenceMessage(channel=room.channel, payload=payload)
                if message_id is not None:
                    message.message_id = message_id
                self._hub.outbox.send(connection, message)
            elif message_id is not None:
                reason = "it cannot be known now who is in the room"
                error = error_of("unavailable", reason, message_id=message_id, retry_after_ms=1000)
                self._hub.outbox.send_error(connection, error)
            else:
                # Nobody asked: it is told when it next may have missed something.
                connection.missed_presence = True

        self._hub.roster.members(room, _MOST_MEMBERS, known)
