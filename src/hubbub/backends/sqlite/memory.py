"""What is on disk and needed in memory: logs' ends and sessions' message ids, read when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial

from hubbub.backends.sqlite.connection import Connection
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.hot import HotLog, HotLogs
from hubbub.backends.sqlite.reading import StoredId, StoredLog, load_logs, load_seen
from hubbub.backends.sqlite.schema import age_limit
from hubbub.delivery.dedup import Window, Windows
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import TryLater

Recalled = Callable[[TryLater | None], None]


class Sent:
    """What became of one message id. While `pending` it is not on disk yet; `failed` means that it never came there."""

    __slots__ = ("epoch", "failed", "id", "offset", "pending")

    def __init__(self, id: int, epoch: str, offset: int, *, pending: bool = True) -> None:
        self.id = id
        """Its number in the table `seen`."""
        self.epoch = epoch
        self.offset = offset
        self.pending = pending
        self.failed = False


class Memory:
    """What is known in memory, and how it gets there.

    One query is under way at a time, and only what it brings is added: so nothing that was read earlier can take
    the place of what changed meanwhile. What is asked for during one goes into the next, together.
    """

    def __init__(
        self,
        database: Database,
        policy: RetentionPolicy,
        hot: HotLogs,
        seen: Windows[Sent],
        *,
        epoch: str,
        dedup_age: float,
        ring: tuple[int, int],
    ) -> None:
        """`epoch` of logs that begin; `ring` is how many records and bytes a log has at most in memory."""
        self.hot = hot
        self.seen = seen
        self._database = database
        self._policy = policy
        self._epoch = epoch
        self._dedup_age = dedup_age
        self._ring = ring
        self._waiting: list[tuple[Collection[str], Collection[str], Recalled]] = []
        self._busy = False

    def has(self, logs: Iterable[str], sessions: Iterable[str]) -> bool:
        """Whether all of these are in memory."""
        return all(name in self.hot for name in logs) and all(session in self.seen for session in sessions)

    def logs(self, names: Iterable[str]) -> dict[str, HotLog]:
        """These logs, which are in memory."""
        return {name: self.hot.use(name) for name in names}

    def windows(self, sessions: Iterable[str]) -> list[Window[Sent]]:
        """The windows of these sessions, which are in memory."""
        now = self._database.wall()
        return [self.seen.open(session, now) for session in sessions]

    def recall(self, logs: Collection[str], sessions: Collection[str], then: Recalled) -> None:
        """Calls `then(None)` when all of these are in memory, or with the reason why they cannot be read."""
        if self.has(logs, sessions):
            then(None)
            return
        self._waiting.append((logs, sessions, then))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        wanted = (
            {name for logs, _, _ in waiting for name in logs},
            {session for _, some, _ in waiting for session in some},
        )
        names = {name for name in wanted[0] if name not in self.hot}
        sessions = {session for session in wanted[1] if session not in self.seen}
        self._busy = True
        now = self._database.wall()
        # What is there already is still to be there when the rest has come.
        kept: list[HotLog | Window[Sent]] = [self.hot.use(name) for name in wanted[0] - names]
        kept += self.windows(wanted[1] - sessions)
        for one in kept:
            one.pins += 1
        since = age_limit(now, self._dedup_age)
        query = partial(_load, names=sorted(names), sessions=sorted(sessions), since=since)

        def arrived(found: tuple[list[StoredLog], list[StoredId]] | TryLater) -> None:
            self._busy = False
            error = found if isinstance(found, TryLater) else None
            if not isinstance(found, TryLater):
                self._add_logs(names, found[0])
                self._add_seen(sessions, found[1], now)
            # What one of them does is not to drop what another one is about to use.
            self.hot.held = True
            try:
                for _, _, then in waiting:
                    then(error)
            finally:
                self.hot.held = False
                for one in kept:
                    one.pins -= 1
            self.hot.shrink()
            if not self._busy:
                self._next()

        self._database.read(query, arrived)

    def _add_logs(self, names: Iterable[str], found: Iterable[StoredLog]) -> None:
        stored = {log.name: log for log in found}
        for name in names:
            there = stored.get(name)
            retention = self._policy.of(name)
            if there is None:
                self.hot.add(HotLog(name, 0, self._epoch, retention, *self._ring))
                continue
            log = HotLog(name, there.id, there.epoch, retention, *self._ring)
            log.begin(there.head, there.floor, there.touched / 1000)
            self.hot.add(log)

    def _add_seen(self, sessions: Iterable[str], found: Iterable[StoredId], now: float) -> None:
        # A session that was forgotten meanwhile has an empty window, and what was found is of no use.
        new = {session for session in sessions if session not in self.seen}
        for session in new:
            self.seen.open(session, now)
        for one in found:
            if one.session in new:
                sent = Sent(one.id, one.epoch, one.offset, pending=False)
                self.seen.restore(one.session, one.message_id, sent, one.at / 1000)


def _load(
    connection: Connection, *, names: list[str], sessions: list[str], since: int
) -> tuple[list[StoredLog], list[StoredId]]:
    logs = load_logs(connection, names) if names else []
    return logs, load_seen(connection, sessions, since) if sessions else []
