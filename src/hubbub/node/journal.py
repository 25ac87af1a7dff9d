"""Runs the hub's appends and reads on a `Log`, whether it answers at once or later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from inspect import isawaitable
from typing import Any, TypeVar

from hubbub.hub.hub import Hub
from hubbub.hub.journal import Stretch
from hubbub.hub.publishing import Publication
from hubbub.ports import Append, Appended, Log, Refused
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.journal")

T = TypeVar("T")


class LogJournal:
    """Implements `hubbub.hub.journal.Journal`. Appends keep their order: the next waits for the one before."""

    def __init__(self, hub: Hub, store: Log) -> None:
        self._hub = hub
        self._store = store
        self._waiting: list[Publication] = []
        self._appending = False
        self._tasks: set[asyncio.Task[None]] = set()

    def append(self, batch: list[Publication]) -> None:
        if self._appending:
            self._waiting.extend(batch)
            return
        results = self._store.append([_append(publication) for publication in batch])
        if isawaitable(results):
            self._appending = True
            self._start(self._append_later(batch, results))
        else:
            self._committed(batch, results)

    def read(
        self,
        log: str,
        then: Callable[[Stretch | None], None],
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> None:
        self._answer(self._store.read(log, after=after, before=before, limit=limit, newest=newest), then)

    def head(self, log: str, then: Callable[[Position | None], None]) -> None:
        self._answer(self._store.head(log), then)

    def forget(self, session: str) -> None:
        self._store.forget(session)

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _answer(self, result: T | Awaitable[T], then: Callable[[T | None], None]) -> None:
        if isawaitable(result):
            self._start(self._answer_later(result, then))
        else:
            then(result)

    async def _answer_later(self, result: Awaitable[T], then: Callable[[T | None], None]) -> None:
        try:
            value: T | None = await result
        except Exception:
            log.exception("the log cannot be read")
            value = None
        then(value)

    async def _append_later(self, batch: list[Publication], results: Awaitable[Sequence[Appended | Refused]]) -> None:
        try:
            answers = await results
        except Exception:
            log.exception("the log cannot be appended to")
            answers = [Refused("unavailable", "the log cannot be had now")] * len(batch)
        self._committed(batch, answers)
        self._appending = False
        batch, self._waiting = self._waiting, []
        if batch:
            self.append(batch)
        self._hub.wake()

    def _committed(self, batch: list[Publication], results: Sequence[Appended | Refused]) -> None:
        publishing = self._hub.publishing
        committed = publishing.committed
        for publication, result in zip(batch, results, strict=True):
            if isinstance(result, Appended):
                committed(publication, result.epoch, result.offset, result.repeated)
            else:
                publishing.refused(publication, result.code, result.reason)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _append(publication: Publication) -> Append:
    session = publication.session
    if session is None:
        return Append(publication.channel.log, publication.record, key=publication.key)
    return Append(
        publication.channel.log, publication.record, session.key, publication.message.message_id, publication.key
    )
