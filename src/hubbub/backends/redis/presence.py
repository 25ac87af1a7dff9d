"""Who is in which space, on Redis: one function a change, so that a limit holds over all nodes."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from hubbub.backends.redis.answers import answered
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names
from hubbub.ports import Joined, Left, Members

_AT_ONCE = 500
"""Entries of a node that are dropped in one call: the server does nothing else meanwhile."""


class RedisPresence:
    """Implements `Presence`."""

    def __init__(self, client: RedisClient, names: Names) -> None:
        self._calls = Calls(client)
        self._keys = (names.common("presence"),)

    def join(
        self, space: str, user: str, session: str, node: str, *, limit: int | None = None
    ) -> Awaitable[Joined | None]:
        return answered(self._call("join", space, user, session, node, "" if limit is None else limit), _joined)

    def leave(self, space: str, user: str, session: str, node: str) -> Awaitable[Left]:
        left = self._call("leave", space, user, session, node)
        return answered(left, lambda said: Left(space, user, bool(said[0]), said[1]))

    def members(self, space: str, limit: int) -> Awaitable[Members]:
        return answered(
            self._call("members", space, limit), lambda said: Members(said[0], [user.decode() for user in said[1]])
        )

    async def drop(self, node: str) -> Sequence[Left]:
        departures: list[Left] = []
        more = 1
        while more:
            more, *left = await answered(self._call("drop", node, _AT_ONCE), list)
            departures += [Left(space.decode(), user.decode(), True, count) for space, user, count in left]
        return departures

    def holders(self) -> Awaitable[Sequence[str]]:
        return answered(self._call("holders"), lambda said: sorted(node.decode() for node in said))

    async def close(self) -> None:
        await self._calls.drain()

    def _call(self, function: str, *args: str | int) -> Awaitable[Any]:
        return self._calls.call(function, self._keys, *args)


def _joined(said: Sequence[int] | None) -> Joined | None:
    return None if said is None else Joined(bool(said[0]), said[1])
