"""Who is where, over all nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct


class Joined(Struct, frozen=True):
    """The session is in; `first` says that it is its user's first there, `count` how many users there are now."""

    first: bool
    count: int


class Left(Struct, frozen=True):
    """The session is out; `last` says that it was its user's last there, `count` how many users there are now."""

    space: str
    user: str
    last: bool
    count: int


class Members(Struct, frozen=True):
    """How many users are in a space, and some or all of them, in the order they came."""

    count: int
    users: Sequence[str]


class Presence(Protocol):
    """Who is in which space (a room, a user's connections), over all nodes. Each entry belongs to one node."""

    def join(
        self, space: str, user: str, session: str, node: str, *, limit: int | None = None
    ) -> Awaitable[Joined | None] | Joined | None:
        """Enters atomically; None when `limit` users are in already and this is not one of them.

        A session that is in already keeps its place, and belongs to `node` from now on (`first` is false then).
        """
        ...

    def leave(self, space: str, user: str, session: str, node: str) -> Awaitable[Left] | Left:
        """Leaves, if the entry belongs to `node`; else nothing changes and `last` is false."""
        ...

    def members(self, space: str, limit: int) -> Awaitable[Members] | Members: ...

    def drop(self, node: str) -> Awaitable[Sequence[Left]] | Sequence[Left]:
        """Removes all entries of a node that is gone. Of several that do so at once one gets each departure."""
        ...

    def holders(self) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The nodes that have entries, those among them that are gone and were not dropped yet, too."""
        ...

    def close(self) -> Awaitable[None] | None: ...
