"""A disk that takes its time: what it is asked for is done a little later, or in part when the process dies before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hubbub.ports import (
    Append,
    Appended,
    Directory,
    Log,
    Page,
    Refused,
    SavedSnapshot,
    SessionRecord,
    Sessions,
    Snapshot,
    Snapshots,
)
from hubbub.protocol.payloads import Position

T = TypeVar("T")

_MOST = 0.3
"""Seconds that an answer may take."""

_GONE = Refused("unavailable", "the process died")


class SlowDisk:
    """Does things in the order they are asked for, each after a while; reading does not wait for writing.

    `crash`: of what is under way a part is done, the first things first, and nobody is answered.
    """

    def __init__(self, seed: object) -> None:
        self._seed = seed
        self._rngs: dict[str, random.Random] = {}
        self._loop = asyncio.get_running_loop()
        self._writes: dict[int, Callable[[bool], None]] = {}
        self._next = 0
        self._last = 0.0
        self.is_gone = False

    def later(self, name: str, answer: Callable[[], T]) -> asyncio.Future[T]:
        """What is read of `name` may be as old as the question, or as new as the answer."""
        future: asyncio.Future[T] = self._loop.create_future()
        rng = self._rng(name)
        before = [answer()] if rng.random() < 0.5 else None
        self._loop.call_later(rng.random() * _MOST, self._answer, future, before, answer)
        return future

    def write(self, change: Callable[[], T]) -> asyncio.Future[T]:
        """Is done later, in order; never, once the process is gone."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self.is_gone:
            return future

        def do(is_answered: bool) -> None:
            value = change()
            if is_answered and not future.done():
                future.set_result(value)

        self._next += 1
        self._writes[self._next] = do
        self._last = max(self._last, self._loop.time() + self._rng("").random() * _MOST)
        self._loop.call_at(self._last, self._do, self._next)
        return future

    def crash(self) -> None:
        """The process is gone."""
        writes = list(self._writes.values())
        for do in writes[: self._rng("").randint(0, len(writes))]:
            do(False)
        self.is_gone = True
        self._writes.clear()

    def some(self, batch: Sequence[T]) -> Sequence[T]:
        """What of a batch is done when the process dies in the middle of it."""
        return batch[: self._rng("").randint(0, len(batch))]

    def _rng(self, name: str) -> random.Random:
        # For each thing by itself: in which order several are asked for is nobody's promise.
        found = self._rngs.get(name)
        if found is None:
            found = self._rngs[name] = random.Random(f"disk/{self._seed}/{name}")
        return found

    def _do(self, number: int) -> None:
        do = self._writes.pop(number, None)
        if do is not None:
            do(True)

    def _answer(self, future: asyncio.Future[T], before: list[T] | None, answer: Callable[[], T]) -> None:
        if not self.is_gone and not future.done():
            future.set_result(answer() if before is None else before[0])


class SlowLog:
    """Implements `Log` over one that answers at once."""

    def __init__(self, inner: Log, disk: SlowDisk) -> None:
        self._inner: Any = inner
        self._disk = disk
        self._batch: Sequence[Append] = ()

    @property
    def conditional(self) -> bool:
        return bool(self._inner.conditional)

    def append(self, batch: Sequence[Append]) -> asyncio.Future[Sequence[Appended | Refused]]:
        self._batch = batch

        def change() -> Sequence[Appended | Refused]:
            self._batch = ()
            results: Sequence[Appended | Refused] = self._inner.append(batch)
            return results

        return self._disk.write(change)

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> asyncio.Future[Page]:
        return self._disk.later(
            log, lambda: self._inner.read(log, after=after, before=before, limit=limit, newest=newest)
        )

    def head(self, log: str) -> asyncio.Future[Position]:
        return self._disk.later(log, lambda: self._inner.head(log))

    def trim(self, log: str, upto: int) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.trim(log, upto))

    def forget(self, session: str) -> None:
        if not self._disk.is_gone:
            self._inner.forget(session)

    def close(self) -> None:
        """The log stays for the next process."""

    def tear(self) -> None:
        """The process dies: of the batch under way a part is in the log."""
        part = self._disk.some(self._batch)
        if part:
            self._inner.append(part)


class SlowSessions:
    """Implements `Sessions` over a store that answers at once."""

    def __init__(self, inner: Sessions, disk: SlowDisk) -> None:
        self._inner: Any = inner
        self._disk = disk

    def save(self, record: SessionRecord) -> asyncio.Future[bool]:
        return self._disk.write(lambda: self._inner.save(record))

    def load(self, digest: str) -> asyncio.Future[SessionRecord | None]:
        return self._disk.later("sessions", lambda: self._inner.load(digest))

    def delete(self, digest: str) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.delete(digest))

    def of_user(self, user: str) -> asyncio.Future[Sequence[SessionRecord]]:
        return self._disk.later("sessions", lambda: self._inner.of_user(user))

    def of_connection(self, connection: str) -> asyncio.Future[SessionRecord | None]:
        return self._disk.later("sessions", lambda: self._inner.of_connection(connection))

    def close(self) -> None:
        """The store stays for the next process."""


class SlowDirectory:
    """Implements `Directory` over one that answers at once."""

    def __init__(self, inner: Directory, disk: SlowDisk) -> None:
        self._inner: Any = inner
        self._disk = disk

    def get(self, name: str) -> asyncio.Future[bytes | None]:
        return self._disk.later(name, lambda: self._inner.get(name))

    def put(self, name: str, value: bytes) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.put(name, value))

    def create(self, name: str, value: bytes) -> asyncio.Future[bool]:
        return self._disk.write(lambda: self._inner.create(name, value))

    def delete(self, name: str) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.delete(name))

    def names(self, prefix: str) -> asyncio.Future[Sequence[str]]:
        return self._disk.later(prefix, lambda: self._inner.names(prefix))

    def close(self) -> None:
        """It stays for the next process."""


class SlowSnapshots:
    """Implements `Snapshots` over those that answer at once."""

    def __init__(self, inner: Snapshots, disk: SlowDisk) -> None:
        self._inner: Any = inner
        self._disk = disk

    def save(self, document: str, snapshot: Snapshot) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.save(document, snapshot))

    def latest(self, document: str) -> asyncio.Future[Snapshot | None]:
        return self._disk.later(document, lambda: self._inner.latest(document))

    def before(self, document: str, epoch: str, revision: int) -> asyncio.Future[Snapshot | None]:
        return self._disk.later(document, lambda: self._inner.before(document, epoch, revision))

    def saved(self, document: str) -> asyncio.Future[Sequence[SavedSnapshot]]:
        return self._disk.later(document, lambda: self._inner.saved(document))

    def drop(self, document: str, epoch: str, revision: int) -> asyncio.Future[None]:
        return self._disk.write(lambda: self._inner.drop(document, epoch, revision))

    def names(self) -> asyncio.Future[Sequence[str]]:
        return self._disk.later("snapshots", self._inner.names)

    def close(self) -> None:
        """They stay for the next process."""
