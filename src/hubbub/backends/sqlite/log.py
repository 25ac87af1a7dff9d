"""The log on disk, with its newest records in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial

from hubbub.backends.sqlite.appending import Appender
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.hot import HotLog, HotLogs
from hubbub.backends.sqlite.memory import Memory, Sent
from hubbub.backends.sqlite.reading import Query, StoredPage, load_ids, load_page
from hubbub.backends.sqlite.schema import age_limit
from hubbub.backends.sqlite.slots import Slot, fill, hand_over
from hubbub.backends.sqlite.writing import LogWriter
from hubbub.delivery.dedup import AGE, WINDOW, Windows
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import TryLater
from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position

_SLACK = 128
"""Message ids by which a session's window outgrows its size before it is cut on disk."""


_IDS = 200_000
"""Message ids in memory; the others are on disk."""


class SqliteLog:
    """Implements `DocumentLog`. What it says was appended is on disk, as far as the database's `fsync` goes.

    Of each log up to `ring_messages` records and `ring_bytes` are in memory too, of all logs at most `memory`
    bytes; what is there is answered at once, anything else is read from disk by a thread. Retention goes by
    `retention`; as much as an eighth more may stay on disk for a while.

    While the disk is full or fails, appends are refused with `unavailable`, and reads go on; what cannot be read
    raises `TryLater`. Both are over by themselves when the disk is well again.
    """

    conditional = True

    def __init__(
        self,
        database: Database,
        *,
        retention: RetentionPolicy | None = None,
        memory: int = 64 * 1024 * 1024,
        ring_messages: int = 1000,
        ring_bytes: int = 1024 * 1024,
        dedup_window: int = WINDOW,
        dedup_age: float = AGE,
    ) -> None:
        policy = retention or RetentionPolicy()
        writer = self._writer = LogWriter(policy, database.wall, dedup_age)
        database.join(sweep=writer.sweep, rolled_back=writer.rolled_back)
        ids = database.look(load_ids)
        self._database = database
        self._hot = HotLogs(memory)
        self._memory = Memory(
            database,
            policy,
            self._hot,
            Windows[Sent](size=dedup_window, age=dedup_age, total=_IDS, slack=_SLACK),
            epoch=ids.epoch,
            dedup_age=dedup_age,
            ring=(ring_messages, ring_bytes),
        )
        self._appender = Appender(database, self._memory, writer, log_id=ids.log, seen_id=ids.seen)
        self._closed = False

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused] | Awaitable[Sequence[Appended | Refused]]:
        if self._closed:
            return [Refused("unavailable", "the log is closed")] * len(batch)
        slot: Slot[Sequence[Appended | Refused]] = self._database.slot()
        self._appender.append(batch, partial(fill, slot))
        return hand_over(slot)

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page | Awaitable[Page]:
        query = Query(after, before, limit, newest)
        known = self._hot.get(log)
        page = None if known is None else self._read_hot(known, query)
        if page is not None:
            return page
        slot: Slot[Page] = self._database.slot()

        def recalled(error: TryLater | None) -> None:
            if error is not None:
                fill(slot, error)
                return
            known = self._hot.use(log)
            page = self._read_hot(known, query)
            if page is not None:
                fill(slot, page)
            else:
                self._read_disk(known, query, slot)

        self._memory.recall((log,), (), recalled)
        return hand_over(slot)

    def head(self, log: str) -> Position | Awaitable[Position]:
        known = self._hot.get(log)
        if known is not None:
            return _head(known)
        slot: Slot[Position] = self._database.slot()

        def recalled(error: TryLater | None) -> None:
            fill(slot, error or _head(self._hot.use(log)))

        self._memory.recall((log,), (), recalled)
        return hand_over(slot)

    def trim(self, log: str, upto: int) -> Awaitable[None] | None:
        slot: Slot[None] = self._database.slot()

        def recalled(error: TryLater | None) -> None:
            known = None if error is not None else self._hot.use(log)
            if known is None or not known.id:
                fill(slot, error)
                return
            known.pins += 1

            def written(outcome: int | TryLater) -> None:
                known.pins -= 1
                if isinstance(outcome, TryLater):
                    fill(slot, outcome)
                    return
                self._hot.used -= known.trim(outcome)
                fill(slot, None)

            self._database.write(self._writer.drop, (known.id, upto), written)

        self._memory.recall((log,), (), recalled)
        return hand_over(slot)

    def forget(self, session: str) -> None:
        if not self._closed:
            self._appender.forget(session)

    def close(self) -> Awaitable[None] | None:
        """What was accepted gets its answer before the file is closed, if nobody else uses it."""
        if self._closed:
            return None
        self._closed = True
        return self._database.leave() if self._appender.idle else self._drain()

    async def _drain(self) -> None:
        drained = asyncio.get_running_loop().create_future()
        self._appender.on_idle = partial(drained.set_result, None)
        await drained
        left = self._database.leave()
        if left is not None:
            await left

    def _read_hot(self, log: HotLog, query: Query) -> Page | None:
        self._hot.used -= log.expire(self._database.wall())
        page = log.read(query)
        return None if page is None else _page(log, page)

    def _read_disk(self, log: HotLog, query: Query, slot: Slot[Page]) -> None:
        floor = cutoff = 0
        if not log.retention.conflate:
            floor = log.floor
            cutoff = age_limit(self._database.wall(), log.retention.age)

        def arrived(page: StoredPage | TryLater) -> None:
            fill(slot, page if isinstance(page, TryLater) else _page(log, page))

        self._database.read(partial(load_page, log=log.id, query=query, floor=floor, cutoff=cutoff), arrived)


def _page(log: HotLog, page: StoredPage) -> Page:
    return Page(log.ring.epoch, page.entries, page.floor + 1, page.head, page.complete)


def _head(log: HotLog) -> Position:
    return Position(log.ring.epoch, log.ring.head)
