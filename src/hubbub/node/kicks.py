"""Who was kicked from which room: for sessions that hear of it only when they come back, perhaps to another node."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hubbub.hub.session import Session
from hubbub.ports import Directory
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_KICKED = "kicked:"
_SLACK_MS = 300_000
"""Clocks of nodes may be apart by so much, and some more."""


class _Kick(Struct, frozen=True):
    mark: str
    at: int
    """In milliseconds since 1970, by the clock of who kicked."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kick).decode


class Kicks:
    """One node's view of them.

    Each kick has a mark of its own. A session keeps the user's last one that its node knew of when it joined: one that
    comes back with another has been in the room since before the kick, and nobody told it. A kick is remembered for as
    long as such a session may rest.
    """

    def __init__(
        self, hub: Hub, directory: Directory, change: Callable[[Callable[[], Awaitable[Any] | Any]], None]
    ) -> None:
        """`change` puts something down in the directory, now or when that can be had."""
        self._hub = hub
        self._directory = directory
        self._change = change
        self._known: dict[tuple[str, str], _Kick] = {}
        """By room and user."""

    def kicked(self, room: str, user: str) -> str:
        """A user is kicked here: the mark, for the other nodes."""
        kick = self._known[room, user] = _Kick(secrets.token_hex(8), self._hub.wall_ms())
        self._change(partial(self._directory.put, f"{_KICKED}{room}\n{user}", _encode(kick)))
        return kick.mark

    def heard(self, room: str, user: str, mark: str) -> None:
        """Another node kicked the user."""
        self._known[room, user] = _Kick(mark, self._hub.wall_ms())

    def joined(self, room: str, session: Session) -> None:
        """The session entered the room now."""
        kick = self._known.get((room, session.user.name))
        if kick is not None:
            session.kicks = {**(session.kicks or {}), room: kick.mark}

    def missed_by(self, session: Session) -> set[str]:
        """The rooms of a session from which its user was kicked since it joined them."""
        if not self._known:
            return set()
        kicks = {id: self._known.get((id, session.user.name)) for id in session.rooms}
        heard = session.kicks or {}
        return {id for id, kick in kicks.items() if kick is not None and kick.mark != heard.get(id)}

    async def learn(self) -> None:
        """What other nodes know, and what was too long ago to matter is forgotten. Raises what the directory raises."""
        for name in await answer(self._directory.names(_KICKED)):
            room, _, user = name.removeprefix(_KICKED).partition("\n")
            if (room, user) not in self._known:
                value = await answer(self._directory.get(name))
                if value is not None:
                    self._known.setdefault((room, user), _decode(value))
        oldest = self._hub.wall_ms() - int(self._hub.sessions.ttl * 1000) - _SLACK_MS
        for (room, user), kick in list(self._known.items()):
            if kick.at < oldest:
                del self._known[room, user]
                await answer(self._directory.delete(f"{_KICKED}{room}\n{user}"))
