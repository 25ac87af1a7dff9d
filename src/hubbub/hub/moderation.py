"""Kicking and muting: the target may be with another hub, and so may the whole room; or away, and to come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.errors import Conflict, ProtocolError, error_of
from hubbub.hub.rooms import Room
from hubbub.hub.roster import Roll

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_ALL_MEMBERS = 1_000_000


class Moderation:
    """Something that is done to a member of a room."""

    def __init__(
        self, hub: Hub, target: str, act: Callable[[Room], None], then: Callable[[ProtocolError | None], None]
    ) -> None:
        """`act(room)` does it, if the user `target` is in the room, or will be when back from somewhere.

        `then` gets why it was not done, or None.
        """
        self._hub = hub
        self._target = target
        self._act = act
        self._then = then

    def run(self, room: str) -> None:
        """Raises `Conflict` (`not_found`) for a room that is not there, or gives it to `then`."""
        self._hub.roster.look_up(room, self._found)

    def _found(self, room: Room | ProtocolError) -> None:
        if isinstance(room, ProtocolError):
            self._then(room)
        elif room.sessions_of(self._target):
            self._finish(room)
        else:
            self._hub.roster.members(room, _ALL_MEMBERS, lambda roll: self._called(room, roll))

    def _called(self, room: Room, roll: Roll | None) -> None:
        if roll is not None and self._target not in roll.users:
            self._hub.vault.expects(self._target, room.id, lambda expected: self._known(room, expected))
        else:
            self._known(room, None if roll is None else True)

    def _known(self, room: Room, belongs: bool | None) -> None:
        if belongs is None:
            self._then(error_of("unavailable", "it cannot be known now who is in the room", retry_after_ms=1000))
        elif not belongs:
            self._then(Conflict("not_found", f"no such member in room {room.id}", field="payload.target"))
        else:
            self._finish(room)

    def _finish(self, room: Room) -> None:
        self._act(room)
        self._then(None)
