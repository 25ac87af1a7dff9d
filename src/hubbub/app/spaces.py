"""Rooms and groups as the application sees them: everything of theirs that can be called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hubbub.hub.groups import Group, Rule
from hubbub.hub.hub import Hub
from hubbub.hub.rooms import Room
from hubbub.protocol.payloads import System


class RoomSpace:
    """`app.rooms`. Unknown rooms raise `Conflict` (`not_found`), known ones `already_exists`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def create(
        self,
        id: str,
        *,
        name: str = "",
        capacity: int | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Room:
        """A room that stays until it is deleted. Its capacity counts users, 100 by default."""
        return self._hub.rooms.create(id, name=name, capacity=capacity, metadata=metadata)

    def delete(self, id: str) -> None:
        """Everyone leaves and is told; the room is no more."""
        self._hub.delete_room(id)

    def get(self, id: str) -> Room:
        return self._hub.rooms.get(id)

    def all(self) -> list[Room]:
        return self._hub.rooms.all()

    def members(self, id: str) -> list[str]:
        return self._hub.rooms.members(id)

    def of_user(self, user: str) -> list[str]:
        return self._hub.rooms.of_user(user)

    def join(self, user: str, id: str) -> None:
        """Puts every session of the user into the room. Raises `Conflict` (`room_full`, `not_found`)."""
        room = self._hub.rooms.get(id)
        for session in self._hub.groups.sessions_of(user):
            if id not in session.rooms:
                self._hub.membership.room_entered(session, room)

    def leave(self, user: str, id: str) -> None:
        """Takes every session of the user out of the room."""
        self.kick(user, id, reason="you left")

    def kick(self, user: str, id: str, *, reason: str = "you were removed") -> None:
        room = self._hub.rooms.get(id)
        self._hub.kick(room, self._hub.rooms.require_target(room, user), reason)

    def mute(self, user: str, id: str) -> None:
        room = self._hub.rooms.get(id)
        self._hub.rooms.mute(room, self._hub.rooms.require_target(room, user))
        self._hub.tell(user, System(f"you were muted in {room.name}", "warning"), room.channel)

    def unmute(self, user: str, id: str) -> None:
        room = self._hub.rooms.get(id)
        self._hub.rooms.unmute(room, self._hub.rooms.require_target(room, user))
        self._hub.tell(user, System(f"you were unmuted in {room.name}", "info"), room.channel)


class GroupSpace:
    """`app.groups`. A group with a rule is static, one with added users dynamic, one with both hybrid."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def create(
        self, id: str, *, name: str = "", metadata: dict[str, Any] | None = None, rule: Rule | None = None
    ) -> Group:
        """A new group. `rule(user)` says who belongs to it by attributes. Raises `Conflict` (`already_exists`)."""
        return self._hub.groups.create(id, name=name, metadata=metadata, rule=rule)

    def delete(self, id: str) -> None:
        self._hub.groups.delete(id)

    def get(self, id: str) -> Group:
        return self._hub.groups.get(id)

    def add(self, users: str | Iterable[str], id: str) -> None:
        for user in [users] if isinstance(users, str) else users:
            self._hub.groups.add(user, id)

    def remove(self, user: str, id: str) -> None:
        self._hub.groups.remove(user, id)

    def members(self, id: str) -> list[str]:
        return self._hub.groups.members(id)

    def of_user(self, user: str) -> list[str]:
        return self._hub.groups.of_user(user)
