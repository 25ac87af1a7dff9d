"""Kicking and muting: the target may be with another hub, and so may the whole room."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.errors import Conflict, ProtocolError, error_of
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Roll
from hubbub.protocol.payloads import System

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_ALL_MEMBERS = 1_000_000


class Moderation:
    """One action of somebody who may: it ends with `then`, which gets the error or None."""

    def __init__(
        self, hub: Hub, action: str, target: str, by: str, then: Callable[[ProtocolError | None], None]
    ) -> None:
        """`action` is `kick`, `mute` or `unmute`; `target` and `by` are users."""
        self._hub = hub
        self._action = action
        self._target = target
        self._by = by
        self._then = then
        self._room: Room

    def run(self, room: str) -> None:
        """Raises `Conflict` (`not_found`), or gives it to `then`."""
        self._hub.roster.look_up(room, self._found)

    def _found(self, room: Room | ProtocolError) -> None:
        if isinstance(room, ProtocolError):
            self._then(room)
            return
        self._room = room
        if self._target in room.members:
            self._act()
        else:
            self._hub.roster.members(room, _ALL_MEMBERS, self._called)

    def _called(self, roll: Roll | None) -> None:
        if roll is None:
            self._then(error_of("unavailable", "it cannot be known now who is in the room", retry_after_ms=1000))
        elif self._target not in roll.users:
            self._then(Conflict("not_found", f"no such member in room {self._room.id}", field="payload.target"))
        else:
            self._act()

    def _act(self) -> None:
        hub, room, user, by = self._hub, self._room, self._target, self._by
        if self._action == "kick":
            hub.kick(room, user, f"{by} removed you from {room.name}")
        elif self._action == "mute":
            hub.mute(room, user)
            hub.tell(user, System(f"{by} muted you in {room.name}", "warning"), room.channel)
        else:
            hub.unmute(room, user)
            hub.tell(user, System(f"{by} unmuted you in {room.name}", "info"), room.channel)
        self._then(None)
