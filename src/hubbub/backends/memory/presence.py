"""Who is in which space, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from hubbub.ports import Joined, Left, Members


class MemoryPresence:
    """Implements `Presence`. Answers at once; give the same one to every node of a process."""

    def __init__(self) -> None:
        # Space to user to session to node, each in the order they came.
        self._spaces: dict[str, dict[str, dict[str, str]]] = {}

    def join(self, space: str, user: str, session: str, node: str, *, limit: int | None = None) -> Joined | None:
        users = self._spaces.setdefault(space, {})
        sessions = users.get(user)
        first = sessions is None
        if sessions is None:
            if limit is not None and len(users) >= limit:
                self._tidy(space)
                return None
            sessions = users[user] = {}
        sessions[session] = node
        return Joined(first, len(users))

    def leave(self, space: str, user: str, session: str, node: str) -> Left:
        users = self._spaces.get(space, {})
        sessions = users.get(user, {})
        if sessions.get(session) != node:
            return Left(space, user, False, len(users))
        del sessions[session]
        if sessions:
            return Left(space, user, False, len(users))
        del users[user]
        self._tidy(space)
        return Left(space, user, True, len(users))

    def members(self, space: str, limit: int) -> Members:
        users = self._spaces.get(space, {})
        return Members(len(users), list(users)[:limit])

    def drop(self, node: str) -> Sequence[Left]:
        found = [
            (space, user, session)
            for space, users in self._spaces.items()
            for user, sessions in users.items()
            for session, holder in sessions.items()
            if holder == node
        ]
        departures = [self.leave(space, user, session, node) for space, user, session in found]
        return [left for left in departures if left.last]

    def holders(self) -> Sequence[str]:
        return sorted({node for users in self._spaces.values() for one in users.values() for node in one.values()})

    def close(self) -> None:
        """Nothing is kept."""

    def _tidy(self, space: str) -> None:
        if not self._spaces[space]:
            del self._spaces[space]
