"""Who is in a room over all hubs, and which rooms and groups there are: what a hub asks before it lets somebody in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from hubbub.errors import ProtocolError

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub
    from hubbub.hub.rooms import Room
    from hubbub.hub.session import Session


class Seat(Struct, frozen=True):
    """A session is in the room. `is_first` says that it is its user's first there, `count` how many users there are."""

    room: Room
    is_first: bool
    count: int


class Roll(Struct, frozen=True):
    """How many users are in a room, and the first of them in the order they came."""

    count: int
    users: Sequence[str]


Seated = Callable[[Seat | ProtocolError], None]
Counted = Callable[[bool, int], None]
"""Gets whether the user's first session came, or the last one left, and how many users are in the room now."""


class Roster(Protocol):
    """Answers come at once or later, as a call. Implemented here for a hub alone, and by `hubbub.node` for several."""

    def join(self, id: str, session: Session, then: Seated) -> None:
        """The session enters, if the room is there and not full: then it is in `rooms` too.

        Raises `ProtocolError`, or gives it to `then`: `not_found`, `already_joined`, `room_full`, `unavailable`.
        """
        ...

    def came_back(self, room: Room, session: Session, is_first: bool, then: Counted) -> None:
        """The session is in `rooms` again, there as its user's first one or not."""
        ...

    def left(self, room: Room, session: Session, is_last: bool, then: Counted) -> None:
        """The session is in `rooms` no more, where it was its user's last one or not."""
        ...

    def members(self, room: Room, limit: int, then: Callable[[Roll | None], None]) -> None:
        """Who is in it; None when that cannot be known now."""
        ...

    def connected(self, session: Session, then: Callable[[ProtocolError | None], None]) -> None:
        """The session has a connection, or is about to: gives why its user may have no more of them, or None."""
        ...

    def disconnected(self, session: Session) -> None:
        """It has none any more, here."""
        ...

    def look_up(self, id: str, then: Callable[[Room | ProtocolError], None]) -> None:
        """The room, which nobody here may be in. Raises `Conflict` (`not_found`), or gives it to `then`."""
        ...

    def made(self, room: Room) -> None:
        """The application made a room."""
        ...

    def closed(self, room: Room) -> None:
        """The room is no more."""
        ...

    def muted(self, room: Room, user: str, muted: bool) -> None:
        """A user may not write in the room any more, or again."""
        ...

    def kicked(self, room: Room, user: str) -> str:
        """A user is to leave the room: gives by what other hubs know this time from others."""
        ...

    def heard_of_kick(self, room: str, user: str, mark: str) -> None:
        """Another hub kicked a user, and gave it this mark."""
        ...

    def missed_kicks(self, session: Session) -> set[str]:
        """The rooms' channels that a session, which comes back, was to leave while nobody could tell it."""
        ...

    def grouped(self, group: str, user: str | None = None, belongs: bool = True) -> None:
        """A call made a group or ended it; or, with `user`, put that one into it or took it out."""
        ...

    def learn_room(self, id: str) -> None:
        """Another hub made a room."""
        ...

    def learn_group(self, id: str) -> None:
        """Another hub changed a group."""
        ...


class LocalRoster:
    """For a hub alone: everybody is here. What is to outlive the process the vault keeps."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def join(self, id: str, session: Session, then: Seated) -> None:
        room, is_first = self._hub.rooms.enter(id, session)
        then(Seat(room, is_first, len(room.members)))

    def came_back(self, room: Room, session: Session, is_first: bool, then: Counted) -> None:
        then(is_first, len(room.members))

    def left(self, room: Room, session: Session, is_last: bool, then: Counted) -> None:
        then(is_last, len(room.members))

    def members(self, room: Room, limit: int, then: Callable[[Roll | None], None]) -> None:
        then(Roll(len(room.members), list(room.members)[:limit]))

    def connected(self, session: Session, then: Callable[[ProtocolError | None], None]) -> None:
        # What one hub can know is asked before there is a session (`Sessions.require_place`).
        then(None)

    def disconnected(self, session: Session) -> None: ...

    def look_up(self, id: str, then: Callable[[Room | ProtocolError], None]) -> None:
        then(self._hub.rooms.get(id))

    def made(self, room: Room) -> None: ...

    def closed(self, room: Room) -> None: ...

    def muted(self, room: Room, user: str, muted: bool) -> None: ...

    def kicked(self, room: Room, user: str) -> str:
        return ""

    def heard_of_kick(self, room: str, user: str, mark: str) -> None: ...

    def missed_kicks(self, session: Session) -> set[str]:
        return set()

    def grouped(self, group: str, user: str | None = None, belongs: bool = True) -> None: ...

    def learn_room(self, id: str) -> None: ...

    def learn_group(self, id: str) -> None: ...
