"""Rooms and groups as the application sees them: everything of theirs that can be called."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from hubbub.errors import ProtocolError, error_of
from hubbub.hub.groups import Group, Rule
from hubbub.hub.hub import Hub
from hubbub.hub.moderation import Moderation
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Roll

log = logging.getLogger("hubbub.app")


class RoomSpace:
    """`app.rooms`. Unknown rooms raise `Conflict` (`not_found`), known ones `already_exists`.

    In a cluster what is changed holds on every node, a little later on the others; `get`, `all`, `members` and
    `of_user` tell what this node knows, and `present` asks for all of them.
    """

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
        room = self._hub.rooms.create(id, name=name, capacity=capacity, metadata=metadata)
        self._hub.roster.made(room)
        return room

    def delete(self, id: str) -> None:
        """Everyone leaves and is told; the room is no more."""
        self._hub.moderator.close(id)

    def get(self, id: str) -> Room:
        return self._hub.rooms.get(id)

    def all(self) -> list[Room]:
        return self._hub.rooms.all()

    def members(self, id: str) -> list[str]:
        return self._hub.rooms.members(id)

    async def present(self, id: str, limit: int = 1000) -> list[str]:
        """At most `limit` users in the room, over all nodes, in the order they came.

        Raises `Conflict` (`not_found`), `TryLater` (`unavailable`).
        """
        found: asyncio.Future[Roll | None] = asyncio.get_running_loop().create_future()

        def known(room: Room | ProtocolError) -> None:
            if isinstance(room, ProtocolError):
                found.set_exception(room)
            else:
                self._hub.roster.members(room, limit, found.set_result)

        self._hub.roster.look_up(id, known)
        roll = await found
        if roll is None:
            raise error_of("unavailable", "it cannot be known now who is in the room", retry_after_ms=1000)
        return list(roll.users)

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
        self._moderate(user, id, lambda room: self._hub.moderator.kick(room, user, reason))

    def mute(self, user: str, id: str) -> None:
        self._moderate(user, id, lambda room: self._hub.moderator.mute(room, user, f"you were muted in {room.name}"))

    def unmute(self, user: str, id: str) -> None:
        self._moderate(
            user, id, lambda room: self._hub.moderator.unmute(room, user, f"you were unmuted in {room.name}")
        )

    def _moderate(self, user: str, id: str, act: Callable[[Room], None]) -> None:
        """Raises `Conflict` (`not_found`); in a cluster that may be known only later, and is logged."""
        is_over = False

        def then(error: ProtocolError | None) -> None:
            if error is not None and not is_over:
                raise error
            if error is not None:
                log.warning("nothing was done to %s in room %s: %s", user, id, error)

        try:
            Moderation(self._hub, user, act, then).run(id)
        finally:
            is_over = True


class GroupSpace:
    """`app.groups`. A group with a rule is static, one with added users dynamic, one with both hybrid.

    In a cluster what a call changes holds on every node, a little later on the others. A rule does not travel:
    make its group on every node, before the start.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def create(
        self, id: str, *, name: str = "", metadata: dict[str, Any] | None = None, rule: Rule | None = None
    ) -> Group:
        """A new group. `rule(user)` says who belongs to it by attributes. Raises `Conflict` (`already_exists`)."""
        group = self._hub.groups.create(id, name=name, metadata=metadata, rule=rule)
        if rule is None:
            self._hub.roster.grouped(id)
        return group

    def delete(self, id: str) -> None:
        self._hub.groups.delete(id)
        self._hub.roster.grouped(id, belongs=False)

    def get(self, id: str) -> Group:
        return self._hub.groups.get(id)

    def add(self, users: str | Iterable[str], id: str) -> None:
        for user in [users] if isinstance(users, str) else users:
            self._hub.groups.add(user, id)
            self._hub.roster.grouped(id, user)

    def remove(self, user: str, id: str) -> None:
        self._hub.groups.remove(user, id)
        self._hub.roster.grouped(id, user, belongs=False)

    def members(self, id: str) -> list[str]:
        return self._hub.groups.members(id)

    def of_user(self, user: str) -> list[str]:
        return self._hub.groups.of_user(user)
