"""Logs on PostgreSQL, for documents: appended to on condition, in order, what came together as one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Any

from hubbub.backends.postgres.appending import append_all
from hubbub.backends.postgres.database import Database
from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.postgres")

MOST_PENDING = 64 * 1024 * 1024
"""Bytes accepted and not committed, above which appends are refused."""

_MOST = 2000
"""Records of one transaction, about."""

Results = Sequence[Appended | Refused]

_READ = """
    SELECT logs.epoch, logs.head, logs.floor, page.place, page.record FROM logs LEFT JOIN LATERAL (
        SELECT place, record FROM records
        WHERE log = logs.id AND place > $2 AND ($3::bigint IS NULL OR place < $3)
        ORDER BY place {order} LIMIT $4
    ) AS page ON true WHERE logs.name = $1
"""
_FORWARD = _READ.format(order="ASC")
_NEWEST = _READ.format(order="DESC")


class PostgresLog:
    """Implements `DocumentLog`. What it says was appended is committed; nothing is dropped before it is told to.

    While the database is away appends are refused with `unavailable` (they may yet have been committed: whoever
    appends reads the log anew), and reads raise `OSError`.
    """

    conditional = True

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Sequence[Append], asyncio.Future[Results]]] = []
        self._pending = 0
        self._forgotten: list[str] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    def append(self, batch: Sequence[Append]) -> Results | Awaitable[Results]:
        if self._closed:
            return [Refused("unavailable", "the log is closed")] * len(batch)
        if self._pending > MOST_PENDING:
            return [Refused("unavailable", "the database does not keep up")] * len(batch)
        answer: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._pending += sum(len(item.record) for item in batch)
        self._waiting.append((batch, answer))
        self._write()
        return answer

    async def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_NEWEST if newest else _FORWARD, log, after, before, limit + 1)
        if not rows:
            return Page(self._database.epoch, (), 1, 0, True)
        epoch, head, floor = rows[0]["epoch"], rows[0]["head"], rows[0]["floor"]
        entries = [(row["place"], row["record"]) for row in rows if row["place"] is not None]
        complete = len(entries) <= limit
        del entries[limit:]
        if newest:
            entries.reverse()
        return Page(epoch, entries, floor + 1, head, complete)

    async def head(self, log: str) -> Position:
        async with self._database.connection() as connection:
            row = await connection.fetchrow("SELECT epoch, head FROM logs WHERE name = $1", log)
        return Position(self._database.epoch, 0) if row is None else Position(row["epoch"], row["head"])

    async def trim(self, log: str, upto: int) -> None:
        async with self._database.connection() as connection, connection.transaction():
            row = await connection.fetchrow("SELECT id, head FROM logs WHERE name = $1 FOR UPDATE", log)
            if row is None:
                return
            floor = min(upto, row["head"])
            await connection.execute("DELETE FROM records WHERE log = $1 AND place <= $2", row["id"], floor)
            await connection.execute("UPDATE logs SET floor = greatest(floor, $2) WHERE id = $1", row["id"], floor)

    def forget(self, session: str) -> None:
        if not self._closed:
            self._forgotten.append(session)
            self._write()

    async def close(self) -> None:
        """What was accepted is answered."""
        self._closed = True
        if self._writer is not None:
            await self._writer

    # --- One transaction after the other ---------------------------------------------------------------

    def _write(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._waiting or self._forgotten:
                forgotten, self._forgotten = self._forgotten, []
                taken = self._take()
                items = [item for batch, _ in taken for item in batch]
                results = await self._transact(items, [len(batch) for batch, _ in taken], forgotten)
                place = 0
                for batch, answer in taken:
                    if not answer.done():
                        answer.set_result(results[place : place + len(batch)])
                    place += len(batch)
        finally:
            self._writer = None

    def _take(self) -> list[tuple[Sequence[Append], asyncio.Future[Results]]]:
        count = size = 0
        for batch, _ in self._waiting:
            size += len(batch)
            count += 1
            if size >= _MOST:
                break
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _transact(self, items: list[Append], sizes: list[int], forgotten: list[str]) -> list[Any]:
        try:
            async with self._database.connection() as connection, connection.transaction():
                if forgotten:
                    await connection.execute("DELETE FROM seen WHERE session = ANY($1)", forgotten)
                return await append_all(connection, items, sizes, self._database.epoch)
        except OSError as error:
            log.warning("records were not appended: %s", error)
            return [Refused("unavailable", "the database cannot be had now")] * len(items)
        finally:
            self._pending -= sum(len(item.record) for item in items)
