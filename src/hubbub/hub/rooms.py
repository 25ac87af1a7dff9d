"""Rooms: who is in them, who may moderate, who is muted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubbub.errors import Conflict, Denied
from hubbub.hub.session import Session
from hubbub.hub.vault import NoVault, RoomFacts, Vault
from hubbub.protocol.channels import check_id


class Room:
    """A room counts users; a user may be in it with several sessions.

    `creator` may moderate; None for a room that configuration or the application made. Such a room is
    `permanent`: it outlives its last member. `absent` are sessions that lost their connection long enough ago
    to be no members any more, and will be again when they come back.
    """

    __slots__ = ("absent", "capacity", "creator", "id", "is_kept", "members", "metadata", "muted", "name", "permanent")

    def __init__(
        self,
        id: str,
        *,
        name: str = "",
        capacity: int = 100,
        metadata: dict[str, Any] | None = None,
        creator: str | None = None,
        permanent: bool = True,
    ) -> None:
        self.id = id
        self.name = name or f"Room {id}"
        self.capacity = capacity
        self.metadata = {} if metadata is None else metadata
        self.creator = creator
        self.permanent = permanent
        self.members: dict[str, set[Session]] = {}
        self.absent: set[Session] = set()
        self.muted: set[str] = set()
        self.is_kept = False
        """Whether something of it is kept beyond this process."""

    @property
    def channel(self) -> str:
        return f"room:{self.id}"

    @property
    def log(self) -> str:
        return f"room:{self.id}"

    def sessions_of(self, user: str) -> list[Session]:
        """The user's sessions in the room, also those that are away."""
        away = [session for session in self.absent if session.user.name == user]
        return [*self.members.get(user, ()), *away]


class Rooms:
    """All rooms of this hub. Every method is one of the lesson's, and raises a typed error."""

    def __init__(self, *, capacity: int, are_open: bool, vault: Callable[[], Vault] = NoVault) -> None:
        """`vault` says who keeps rooms beyond this process."""
        self._vault = vault
        self._remembered: dict[str, RoomFacts] = {}
        self._rooms: dict[str, Room] = {}
        self._of_user: dict[str, dict[str, Room]] = {}
        self._capacity = capacity
        self._are_open = are_open

    def create(
        self,
        id: str,
        *,
        name: str = "",
        capacity: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Room:
        """A new room that stays until it is deleted. Raises `Conflict` (`already_exists`) and `BadMessage`."""
        check_id(id)
        if id in self._rooms:
            raise Conflict("already_exists", f"room {id} exists", field="channel")
        room = Room(id, name=name, capacity=capacity or self._capacity, metadata=metadata)
        self._rooms[id] = room
        known = self._remembered.pop(id, None)
        if known is not None:
            room.muted |= known.muted
            room.is_kept = True
        return room

    def get(self, id: str) -> Room:
        """The room. Raises `Conflict` (`not_found`)."""
        try:
            return self._rooms[id]
        except KeyError:
            raise Conflict("not_found", f"there is no room {id}", field="channel") from None

    def find(self, id: str) -> Room | None:
        return self._rooms.get(id)

    def remove(self, room: Room) -> None:
        """Forgets the room; its sessions must have left."""
        self._rooms.pop(room.id, None)
        self._vault().forget_room(room)

    def mute(self, room: Room, user: str) -> None:
        room.muted.add(user)
        self._vault().touch_room(room)

    def unmute(self, room: Room, user: str) -> None:
        room.muted.discard(user)
        self._vault().touch_room(room)

    def recall(self, id: str, facts: RoomFacts) -> None:
        """What an earlier process knew of a room, which may come back with its members."""
        room = self._rooms.get(id)
        if room is None:
            self._remembered[id] = facts
        else:
            room.muted |= facts.muted
            room.is_kept = True

    def forget_unused(self) -> list[str]:
        """The rooms of an earlier process that nobody came back to are no more: returns their ids."""
        forgotten, self._remembered = list(self._remembered), {}
        return forgotten

    def all(self) -> list[Room]:
        return list(self._rooms.values())

    def members(self, id: str) -> list[str]:
        """The users in the room, in the order they came. Raises `Conflict` (`not_found`)."""
        return list(self.get(id).members)

    def of_user(self, user: str) -> list[str]:
        """The ids of the rooms that the user is in."""
        return list(self._of_user.get(user, ()))

    def enter(self, id: str, session: Session) -> tuple[Room, bool]:
        """The session joins; where rooms are open, an unknown room is made and the user is its creator.

        Returns the room and whether this is the user's first session in it. Raises `Conflict`: `not_found`,
        `already_joined`, `room_full`.
        """
        room = self._rooms.get(id)
        user = session.user.name
        if room is None:
            if not self._are_open:
                raise Conflict("not_found", f"there is no room {id}", field="channel")
            room = self._open(id, user)
        if session in room.members.get(user, ()) or session in room.absent:
            raise Conflict("already_joined", f"this session is in room {id}", field="channel")
        if user not in room.members and len(room.members) >= room.capacity:
            raise Conflict("room_full", f"room {id} holds {room.capacity} users", field="channel")
        return room, self._add(room, session)

    def come_back(self, room: Room, session: Session) -> bool:
        """The session is a member again, also of a room that filled up meanwhile: it never left.

        Returns whether this is the user's first session in it.
        """
        room.absent.discard(session)
        # The room may have ended with its last member, and begins again with who kept it.
        room = self._rooms.setdefault(room.id, room)
        return self._add(room, session)

    def admit(self, room: Room, session: Session) -> Room:
        """The session is in a room that all hubs know, and this one perhaps not yet: returns the one here."""
        room = self.keep(room)
        room.absent.discard(session)
        self._add(room, session)
        return room

    def keep(self, room: Room) -> Room:
        """A room that was made on another hub is known here from now on."""
        return self._rooms.setdefault(room.id, room)

    def expect(self, id: str, session: Session) -> None:
        """A session that was kept elsewhere comes back soon: it is as one that is away."""
        room = self._rooms.get(id)
        if room is None:
            room = self._open(id, None)
        session.rooms[id] = room
        room.absent.add(session)

    def leave(self, room: Room, session: Session) -> bool:
        """The session leaves. Returns whether it was the user's last one there. An empty open room ends."""
        session.rooms.pop(room.id, None)
        if session.kicks is not None:
            session.kicks.pop(room.id, None)
        room.absent.discard(session)
        return self._take_out(room, session)

    def step_out(self, room: Room, session: Session) -> bool:
        """The session is away, and is to be a member again when it comes back. Returns as `leave` does."""
        if session not in room.members.get(session.user.name, ()):
            return False
        room.absent.add(session)
        return self._take_out(room, session)

    def _open(self, id: str, creator: str | None) -> Room:
        """A room that is there while somebody is in it. One that comes back has its creator and its mutes."""
        known = self._remembered.pop(id, None)
        if known is not None:
            creator = known.creator
        room = self._rooms[id] = Room(id, capacity=self._capacity, creator=creator, permanent=False)
        if known is not None:
            room.muted |= known.muted
            room.is_kept = True
        self._vault().touch_room(room)
        return room

    def _add(self, room: Room, session: Session) -> bool:
        user = session.user.name
        session.rooms[room.id] = room
        sessions = room.members.get(user)
        if sessions is not None:
            sessions.add(session)
            return False
        room.members[user] = {session}
        self._of_user.setdefault(user, {})[room.id] = room
        return True

    def _take_out(self, room: Room, session: Session) -> bool:
        user = session.user.name
        sessions = room.members.get(user, set())
        was_there = bool(sessions)
        sessions.discard(session)
        if was_there and not sessions:
            del room.members[user]
            rooms = self._of_user[user]
            del rooms[room.id]
            if not rooms:
                del self._of_user[user]
        if not room.members and not room.absent and not room.permanent:
            self.remove(room)
        return was_there and not sessions

    def require_member(self, id: str, session: Session) -> Room:
        """The room, when this session is in it. Raises `Conflict` (`not_joined`)."""
        room = session.rooms.get(id)
        if room is None:
            raise Conflict("not_joined", f"join room {id} first", field="channel")
        return room

    def require_target(self, room: Room, target: str | None) -> str:
        """The member that a moderator named. Raises `Conflict` (`not_found`)."""
        if target not in room.members or target is None:
            raise Conflict("not_found", f"no such member in room {room.id}", field="payload.target")
        return target

    def require_voice(self, room: Room, user: str) -> None:
        """Raises `Denied` (`muted`) for a user who may read but not write here."""
        if user in room.muted:
            raise Denied("muted", f"you are muted in room {room.id}", field="channel")
