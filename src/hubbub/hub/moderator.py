"""What becomes of rooms and their members by order: kicked, muted, the whole room closed, here and at other hubs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hubbub.errors import ProtocolError
from hubbub.hub.peers import Kicked, Muted, RoomClosed
from hubbub.hub.rooms import Room
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
        self._hub.roster.muted(room, user, True)
        if self._hub.peers is not None:
            self._hub.peers.tell_all(Muted(room.id, user, True))
        self._hub.tell(user, System(reason, "warning"), room.channel)

    def unmute(self, room: Room, user: str, reason: str) -> None:
        """The user may write again, and is told."""
        self._hub.rooms.unmute(room, user)
        self._hub.roster.muted(room, user, False)
        if self._hub.peers is not None:
            self._hub.peers.tell_all(Muted(room.id, user, False))
        self._hub.tell(user, System(reason, "info"), room.channel)

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
