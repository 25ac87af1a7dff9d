"""Messages that wait to be sent: in memory, or on disk, and always in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from hubbub.delivery.link import INTERVAL, SLOW, Quality
from hubbub.delivery.retransmission import too_many

T = TypeVar("T")

LIMIT = 1000
"""Messages in memory."""

DISK_LIMIT = 100_000
"""Messages on disk."""

_PAGE = 100


class Spool(Protocol[T]):
    """A queue on disk. What is taken stays there until it is discarded, and comes again after a restart."""

    def __len__(self) -> int:
        """How many were not taken yet."""
        ...

    def append(self, item: T) -> None: ...
    def take(self, count: int) -> Sequence[T]: ...
    def discard(self, item: T) -> None: ...


class Outbox(Generic[T]):
    """What the state of the link says about a message that is not sent at once.

    | link | where it waits | until |
    |---|---|---|
    | good | in memory, only while others are before it | it is its turn |
    | slow | in memory; past `limit`, on disk | one round trip has passed since the first of them came |
    | bad | on disk at once; without a disk, in memory | the next check of the link, within 5 s |
    | none | as on a bad one | there is a connection |

    `hold` is that time: on a slow link messages go in one batch a round trip, on a bad one in one batch a
    check, so that a link that never gets better starves nobody. Once something is on disk, what comes later
    goes there too: everything in memory is older than everything on disk, which is the order.
    """

    def __init__(self, *, limit: int = LIMIT, disk_limit: int = DISK_LIMIT, spool: Spool[T] | None = None) -> None:
        """Without a spool there is no disk: the memory's limit holds."""
        self._limit = limit
        self._disk_limit = disk_limit
        self._spool = spool
        self._memory: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._memory) + (0 if self._spool is None else len(self._spool))

    @property
    def in_memory(self) -> int:
        return len(self._memory)

    def add(self, item: T, quality: Quality | None, id: str | None = None) -> None:
        """Takes a message; None for the quality: there is no connection.

        Raises `TryLater` (`too_many_pending`) when there is no room: nothing is kept of it.
        """
        spool = self._spool
        if spool is None:
            if len(self._memory) >= self._limit:
                raise too_many(self._limit, id)
            self._memory.append(item)
            return
        is_for_disk = quality in ("bad", None) or len(self._memory) >= self._limit
        if len(spool) == 0 and not is_for_disk:
            self._memory.append(item)
            return
        if len(spool) >= self._disk_limit:
            raise too_many(self._disk_limit, id)
        spool.append(item)

    def take(self) -> T | None:
        """The next message to send, None when there is none. `discard` follows once its outcome is known."""
        if not self._memory and self._spool is not None and len(self._spool):
            self._memory.extend(self._spool.take(_PAGE))
        return self._memory.popleft() if self._memory else None

    def withdraw(self, item: T) -> None:
        """Nobody wants it sent any more."""
        if item in self._memory:
            self._memory.remove(item)
        self.discard(item)

    def discard(self, item: T) -> None:
        """It is settled: a restart need not send it again."""
        if self._spool is not None:
            self._spool.discard(item)


def hold(quality: Quality, round_trip: float | None) -> float:
    """For how many seconds a message may wait for others to go with it."""
    if quality == "good":
        return 0.0
    return INTERVAL if quality == "bad" else min(round_trip or SLOW, SLOW)
