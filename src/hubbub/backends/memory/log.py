"""The log in memory: a bounded ring for each name."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from hubbub.delivery.dedup import AGE, WINDOW, Windows
from hubbub.delivery.retention import RetentionPolicy
from hubbub.delivery.ring import Ring, make_ring
from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position

_LOG_COST = 600
"""Bytes that a log takes besides its records, so that many empty ones are bounded, too."""


class MemoryLog:
    """Implements `DocumentLog`. Answers at once; nothing of it outlives the process.

    A log keeps what `retention` says, and all together at most `memory` bytes: above that the log that was silent
    longest is dropped and begins anew, in a new epoch. `clock` gives seconds. Of each session the last
    `dedup_window` message ids are remembered, for `dedup_age` seconds.
    """

    conditional = True

    def __init__(
        self,
        *,
        retention: RetentionPolicy | None = None,
        memory: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        dedup_window: int = WINDOW,
        dedup_age: float = AGE,
    ) -> None:
        self._retention = retention or RetentionPolicy()
        self._memory = memory
        self._clock = clock
        self._epoch = secrets.token_hex(6)
        self._rings: OrderedDict[str, Ring] = OrderedDict()
        self._used = 0
        self._seen: Windows[Appended] = Windows(size=dedup_window, age=dedup_age)

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:
        now = self._clock()
        refused: set[str] = set()
        return [self._append_one(item, now, refused) for item in batch]

    def read(self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False) -> Page:
        ring = self._rings.get(log)
        if ring is None:
            return Page(self._epoch, (), 1, 0, True)
        self._used -= ring.expire(self._clock())
        entries, complete = ring.read(after, before, limit, newest)
        return Page(ring.epoch, entries, ring.oldest, ring.head, complete)

    def head(self, log: str) -> Position:
        ring = self._rings.get(log)
        return Position(self._epoch, 0) if ring is None else Position(ring.epoch, ring.head)

    def trim(self, log: str, upto: int) -> None:
        ring = self._rings.get(log)
        if ring is not None:
            self._used -= ring.drop(upto)

    def forget(self, session: str) -> None:
        self._seen.forget(session)

    def close(self) -> None:
        """Nothing is kept."""

    def _append_one(self, item: Append, now: float, refused: set[str]) -> Appended | Refused:
        """`refused` are the logs in which one of the batch had a condition that did not hold."""
        if not item.session:
            return self._refusal(item, refused) or self._store(item, now)
        # UUIDs compare without case.
        message_id = item.message_id.lower()
        first = self._seen.find(item.session, message_id, now)
        if first is not None:
            return Appended(first.epoch, first.offset, True)
        refusal = self._refusal(item, refused)
        if refusal is not None:
            return refusal
        result = self._store(item, now)
        self._seen.put(item.session, message_id, result, now)
        return result

    def _refusal(self, item: Append, refused: set[str]) -> Refused | None:
        if item.expected is None:
            return None
        ring = self._rings.get(item.log)
        head = 0 if ring is None else ring.head
        if head == item.expected and item.log not in refused:
            return None
        refused.add(item.log)
        return Refused("conflict", f"the log is at {head}")

    def _store(self, item: Append, now: float) -> Appended:
        ring = self._rings.get(item.log)
        if ring is None:
            ring = self._rings[item.log] = make_ring(self._retention.of(item.log), self._epoch)
            self._used += _LOG_COST
        else:
            self._rings.move_to_end(item.log)
        self._used += ring.append(now, item.record, item.key)
        if self._used > self._memory:
            self._evict()
        return Appended(ring.epoch, ring.head)

    def _evict(self) -> None:
        """Drops the logs that were silent longest; should they return, they are other logs."""
        while self._used > self._memory and len(self._rings) > 1:
            _, ring = self._rings.popitem(last=False)
            self._used -= ring.cost + _LOG_COST
        self._epoch = secrets.token_hex(6)
