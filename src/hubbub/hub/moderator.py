"""What becomes of rooms and their members by order: kicked, muted, the whole room closed, here and at other hubs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.errors import ProtocolError
from hubbub.hub.peers import Kicked, Muted, RoomClosed
from hubbub.hub.rooms import Room
from hubbub.protocol.messages import SystemMessage
from hubbub.protocol.payloads import System

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")


class Moderator:
    """One hub's. Whether who orders may do so was decided before."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def kick(self, room: Room, user: str, reason: str) -> None:
        """The user leaves the room with all sessions, and may come again."""
        mark = self._hub.roster.kicked(room, user)
        self.kick_here(room, user, reason)
        if self._hub.peers is not None:
            self._hub.peers.tell_all(Kicked(room.id, user, reason, mark))

    def kick_here(self, room: Room, user: str, reason: str) -> None:
        """As `kick`, but only the sessions of this hub."""
        for session in room.sessions_of(user):
            self._hub.membership.expel(room, session, reason)

    def mute(self, room: Room, user: str, reason: str) -> None:
        """The user may not write in the room any more, and is told."""
        self._hub.rooms.mute(room, user)
        self._spread(room, Muted(room.id, user, True, reason))

    def unmute(self, room: Room, user: str, reason: str) -> None:
        """The user may write again, and is told."""
        self._hub.rooms.unmute(room, user)
        self._spread(room, Muted(room.id, user, False, reason))

    def _spread(self, room: Room, muted: Muted) -> None:
        self._hub.roster.muted(room, muted.user, muted.muted)
        if self._hub.peers is not None:
            # One notice for what is so and what is said of it: two could overtake each other on their way.
            self._hub.peers.tell_all(muted)
        self.tell_here(muted)

    def tell_here(self, muted: Muted) -> None:
        """Says so to the user's sessions of this hub."""
        system = System(muted.reason, "warning" if muted.muted else "info")
        self._hub.tell_here(muted.user, SystemMessage(payload=system, channel=f"room:{muted.room}"))

    def close(self, id: str) -> None:
        """Everyone leaves, and the room is no more. Raises `Conflict` (`not_found`), or is told later that it is."""
        self._hub.roster.look_up(id, self._found)

    def _found(self, room: Room | ProtocolError) -> None:
        if isinstance(room, ProtocolError):
            log.warning("a room could not be deleted: %s", room)
            return
        reason = f"{room.name} was closed"
        self.close_here(room, reason)
        self._hub.roster.closed(room)
        if self._hub.peers is not None:
            self._hub.peers.tell_all(RoomClosed(room.id, reason))

    def close_here(self, room: Room, reason: str) -> None:
        """Everyone leaves who is in the room here, and the room is no more."""
        for user in {*room.members, *(session.user.name for session in room.absent)}:
            self.kick_here(room, user, reason)
        self._hub.rooms.remove(room)
