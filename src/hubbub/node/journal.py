"""Runs the hub's appends and reads on a `Log`, whether it answers at once or later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from inspect import isawaitable
from typing import Any, TypeVar

from hubbub.errors import TryLater
from hubbub.hub.feed import Feed
from hubbub.hub.hub import Hub
from hubbub.hub.journal import Stretch
from hubbub.hub.publishing import Publication
from hubbub.node.following import Following
from hubbub.node.mailing import MailedPeers
from hubbub.ports import Append, Appended, Log, Refused, SharedLog
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.journal")

T = TypeVar("T")

_MOST_WAITING = 20_000
"""Publications that may wait for the append before them."""


class LogJournal:
    """Implements `hubbub.hub.journal.Journal`. Appends keep their order: the next waits for the one before.

    Give the `store` as `shared`, too, when other nodes append to it as well; `mailed` are these.
    """

    def __init__(
        self, hub: Hub, store: Log, shared: SharedLog | None = None, mailed: MailedPeers | None = None
    ) -> None:
        self._hub = hub
        self._store = store
        self._following = None if shared is None else Following(hub, shared, self._start_beside, mailed)
        self._waiting: list[Publication] = []
        self._appending = False
        self._is_away = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        """What has no end of its own while the log is away."""

    def append(self, batch: list[Publication]) -> None:
        if self._appending:
            self._wait(batch)
            return
        results = self._store.append([_append(publication) for publication in batch])
        if isawaitable(results):
            self._appending = True
            if self._following is not None:
                self._following.appending(batch)
            self._start(self._append_later(batch, results))
        else:
            self._committed(batch, results)

    def _wait(self, batch: list[Publication]) -> None:
        room = max(0, _MOST_WAITING - len(self._waiting))
        self._waiting.extend(batch[:room])
        for publication in batch[room:]:
            self._hub.publishing.refused(publication, "unavailable", "the log does not keep up")

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

    @property
    def is_away(self) -> bool:
        """Whether the log could not be had when it was last asked."""
        return self._is_away if self._following is None else self._following.is_away

    @property
    def is_shared(self) -> bool:
        return self._following is not None

    def follow(self, log: str, then: Callable[[Position | None], None]) -> None:
        if self._following is None:
            self.head(log, then)
        else:
            self._following.follow(log, then)

    def unfollow(self, log: str) -> None:
        if self._following is not None:
            self._following.unfollow(log)

    def doubt(self, feed: Feed, epoch: str, oldest: int) -> None:
        if self._following is not None:
            self._following.look(feed.log)
        elif epoch == feed.epoch:
            return
        elif feed.flushed == 0 and oldest == 1:
            self._hub.fanout.rename(feed, epoch)
        else:
            self._hub.fanout.begin_anew(feed, epoch, oldest)

    def forget(self, session: str) -> None:
        self._store.forget(session)

    def sweep(self) -> None:
        """To be called about once a second."""
        if self._following is not None:
            self._following.sweep()

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Follows nothing any more."""
        self.abandon()
        await asyncio.gather(*self._beside, return_exceptions=True)

    def abandon(self) -> None:
        """As `close`, without waiting for anything."""
        for task in self._beside:
            task.cancel()

    def _answer(self, result: T | Awaitable[T], then: Callable[[T | None], None]) -> None:
        if isawaitable(result):
            self._start(self._answer_later(result, then))
        else:
            then(result)

    async def _answer_later(self, result: Awaitable[T], then: Callable[[T | None], None]) -> None:
        try:
            value: T | None = await result
            self._note(is_away=False)
        except Exception as error:
            self._complain("read", error)
            value = None
        then(value)

    async def _append_later(self, batch: list[Publication], results: Awaitable[Sequence[Appended | Refused]]) -> None:
        try:
            answers = await results
            self._note(is_away=False)
        except Exception as error:
            self._complain("appended to", error)
            answers = [Refused("unavailable", "the log cannot be had now")] * len(batch)
        self._committed(batch, answers)
        if self._following is not None:
            self._following.appended(batch)
        self._appending = False
        batch, self._waiting = self._waiting, []
        if batch:
            self.append(batch)
        self._hub.wake()

    def _complain(self, verb: str, error: Exception) -> None:
        if not isinstance(error, OSError | TryLater):
            log.error("the log cannot be %s", verb, exc_info=error)
        elif not self.is_away:
            # One that is away is no mystery, and is met by everyone.
            log.error("the log cannot be %s: %s", verb, error)
        self._note(is_away=True)

    def _note(self, *, is_away: bool) -> None:
        if self._following is None:
            self._is_away = is_away
        else:
            self._following.is_away = is_away

    def _committed(self, batch: list[Publication], results: Sequence[Appended | Refused]) -> None:
        publishing, following = self._hub.publishing, self._following
        committed = publishing.committed
        for publication, result in zip(batch, results, strict=True):
            if isinstance(result, Refused):
                publishing.refused(publication, result.code, result.reason)
            elif following is None:
                committed(publication, result.epoch, result.offset, result.repeated)
            else:
                publishing.acknowledge(publication, result.epoch, result.offset)
                if not result.repeated:
                    self._hub.watch.traffic.sent(len(publication.record))
                    following.committed(publication, result.epoch, result.offset)

    def _start_beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

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
