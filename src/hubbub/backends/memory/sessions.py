"""Sessions in memory: for tests, and for hubs whose sessions need not outlive the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hubbub.ports import SessionRecord

_SWEEP_AFTER = 64
"""Saves, beside as many as there are sessions, after which what has expired is looked for."""


class MemorySessions:
    """Implements `Sessions`. Answers at once; nothing of it outlives the process.

    `wall` gives the seconds since 1970 that expiry goes by.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._records: dict[str, SessionRecord] = {}
        self._users: dict[str, dict[str, None]] = {}
        """The digests of each user's sessions."""
        self._connections: dict[str, str] = {}
        """The digest of each connection's session."""
        self._until_sweep = _SWEEP_AFTER

    def save(self, record: SessionRecord) -> bool:
        stored = self.load(record.digest)
        if stored is not None and record.fence < stored.fence:
            return False
        self.delete(record.digest)
        self._records[record.digest] = record
        self._users.setdefault(record.user, {})[record.digest] = None
        if record.connection:
            self._connections[record.connection] = record.digest
        self._until_sweep -= 1
        if not self._until_sweep:
            self._sweep()
        return True

    def load(self, digest: str) -> SessionRecord | None:
        record = self._records.get(digest)
        if record is not None and record.expires <= self._wall():
            self.delete(digest)
            return None
        return record

    def delete(self, digest: str) -> None:
        record = self._records.pop(digest, None)
        if record is None:
            return
        digests = self._users[record.user]
        del digests[digest]
        if not digests:
            del self._users[record.user]
        if self._connections.get(record.connection) == digest:
            del self._connections[record.connection]

    def of_user(self, user: str) -> Sequence[SessionRecord]:
        found = [self.load(digest) for digest in tuple(self._users.get(user, ()))]
        return sorted((record for record in found if record is not None), key=lambda record: record.created)

    def of_connection(self, connection: str) -> SessionRecord | None:
        digest = self._connections.get(connection)
        return None if digest is None else self.load(digest)

    def close(self) -> None:
        """Nothing is kept."""

    def _sweep(self) -> None:
        now = self._wall()
        for digest in [digest for digest, record in self._records.items() if record.expires <= now]:
            self.delete(digest)
        # As seldom as there are many, so that it costs each save the same.
        self._until_sweep = _SWEEP_AFTER + len(self._records)
