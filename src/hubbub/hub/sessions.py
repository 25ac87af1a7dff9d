"""All sessions of this hub: they begin with a hello, rest when their connection ends, and end when nobody returns."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

from hubbub.delivery.acks import Deadlines
from hubbub.errors import TryLater
from hubbub.hub.connection import Connection, State
from hubbub.hub.session import Session, digest_of
from hubbub.hub.users import User

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.sessions")

_RETRY_AFTER_MS = 5000
"""When a place of the user's may be free: nobody can know."""


class TooManyConnections(TryLater):
    """The user has as many connections as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__("rate_limited", f"one user has at most {limit} connections", retry_after_ms=_RETRY_AFTER_MS)


class Sessions:
    """By digest. Those without a connection stand in the order in which they lost it."""

    def __init__(self, hub: Hub, *, ttl: float, grace: float, limit: int) -> None:
        """`ttl` and `grace` in seconds; at most `limit` sessions rest, the longest at rest goes first."""
        self._hub = hub
        self._limit = limit
        self._by_digest: dict[bytes, Session] = {}
        self._resting: Deadlines[Session] = Deadlines(ttl)
        self._leaving: Deadlines[Session] = Deadlines(grace)
        self.ttl = ttl

    def __len__(self) -> int:
        return len(self._by_digest)

    @property
    def resting(self) -> int:
        """How many have no connection."""
        return len(self._resting)

    def begin(self, user: User, connection: Connection, profile: dict[str, Any]) -> tuple[Session, str]:
        """A new session with its secret id, which stands nowhere but with the client."""
        id = secrets.token_urlsafe(24)
        session = Session(digest_of(id), secrets.token_hex(8), user, profile, self._hub.wall_ms() / 1000)
        session.connection = connection
        self._by_digest[session.digest] = session
        self._hub.groups.enter(session)
        return session, id

    def all(self) -> list[Session]:
        """Every session, here or resting."""
        return list(self._by_digest.values())

    def find(self, digest: bytes) -> Session | None:
        """The session, here or resting."""
        return self._by_digest.get(digest)

    def require_place(self, user: str, session: Session | None = None) -> None:
        """Raises `TooManyConnections` when the user's other sessions have as many connections here as one may have."""
        limit = self._hub.settings.max_connections_per_user
        if limit is None:
            return
        others = self._hub.groups.sessions_of(user)
        if sum(one.connection is not None for one in others if one is not session) >= limit:
            raise TooManyConnections(limit)

    def adopt(self, session: Session) -> bool:
        """A session that was kept elsewhere is this hub's from now on; False when it is here already, as another."""
        known = self._by_digest.setdefault(session.digest, session)
        if known is not session:
            known.fence = max(known.fence, session.fence)
            return False
        self._hub.groups.enter(session)
        self._rest(session)
        return True

    def attach(self, session: Session, connection: Connection) -> None:
        """The session goes on over this connection; an older one is closed, and does not come back."""
        old = session.connection
        if old is not None and old is not connection:
            self.detach(session)
            self._hub.close(old, 4409, "a newer connection has the session")
        session.connection = connection
        self._resting.clear(session)

    def returned(self, session: Session) -> None:
        """Its restoration is complete."""
        self._hub.counts.restores += 1
        self._leaving.clear(session)
        self._hub.vault.restored(session)

    def detach(self, session: Session) -> None:
        """Its connection ended: it rests, and after a grace its leaving is announced."""
        if session.connection is None:
            return
        # One whose restoration had not come to its end rests as it did before.
        if session.rests is None:
            self._hub.feeds.rest(session)
        session.connection = None
        self._hub.roster.disconnected(session)
        self._hub.kinds.away(session)
        self._rest(session)
        self._hub.vault.touch(session)

    def end(self, session: Session) -> None:
        """The session is no more: everyone in its rooms hears of it, and its message ids are forgotten."""
        self._by_digest.pop(session.digest, None)
        self._resting.clear(session)
        self._leaving.clear(session)
        hub = self._hub
        for name in list(session.readers):
            hub.feeds.leave(session, name)
        for room in list(session.rooms.values()):
            hub.membership.leave(room, session)
        hub.kinds.ended(session)
        hub.groups.leave(session)
        hub.vault.forget(session, lambda: hub.journal.forget(session.key))

    def release(self, session: Session) -> None:
        """Another hub has it, or will: it is nobody's here any more, and nobody is told that it left."""
        if self._by_digest.get(session.digest) is session:
            del self._by_digest[session.digest]
        self._resting.clear(session)
        self._leaving.clear(session)
        for name in list(session.readers):
            self._hub.feeds.leave(session, name)
        session.connection = None
        self._hub.roster.disconnected(session)
        for room in list(session.rooms.values()):
            self._hub.membership.let_go(room, session)
        self._hub.kinds.ended(session)
        self._hub.groups.leave(session)
        if self._hub.on_released is not None:
            self._hub.on_released(session)

    def sweep(self, now: float) -> None:
        for session in self._leaving.expired(now):
            for room in list(session.rooms.values()):
                self._hub.membership.step_out(room, session)
        for session in list(self._resting.expired(now)):
            self.end(session)

    def _rest(self, session: Session) -> None:
        now = self._hub.clock()
        self._resting.set(session, now)
        if session.rooms:
            self._leaving.set(session, now)
        while len(self._resting) > self._limit:
            self.end(self._resting.first())


def is_attached(session: Session, connection: Connection) -> bool:
    """Whether this connection carries the session, and not a newer one or none."""
    return session.connection is connection and connection.state is not State.CLOSED
