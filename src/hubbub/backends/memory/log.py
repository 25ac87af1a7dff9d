"""The log in memory: a bounded ring for each name."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import islice

from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position

_LOG_COST = 600
_RECORD_COST = 150
"""Bytes that a log and a record take besides the record itself, so that many tiny ones are bounded, too."""

DEDUP_WINDOW = 1024
"""Message ids remembered for each session."""


class MemoryLog:
    """Implements `Log`. Answers at once; nothing of it outlives the process.

    A log keeps at most `messages` records, `size` bytes and `age` seconds; all together at most `memory`
    bytes, above which the log that was silent longest is dropped and begins anew, in a new epoch.
    """

    def __init__(
        self,
        *,
        messages: int = 1000,
        size: int = 1024 * 1024,
        age: float = 3600.0,
        memory: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._messages = messages
        self._size = size
        self._age = age
        self._memory = memory
        self._clock = clock
        self._epoch = secrets.token_hex(6)
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._used = 0
        self._seen: dict[str, OrderedDict[str, Appended]] = {}

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:
        now = self._clock()
        return [self._append_one(item, now) for item in batch]

    def read(self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False) -> Page:
        ring = self._rings.get(log)
        if ring is None:
            return Page(self._epoch, (), 1, 0, True)
        self._used -= ring.expire(self._clock() - self._age)
        entries, complete = ring.read(after, before, limit, newest)
        return Page(ring.epoch, entries, ring.head - len(ring.entries) + 1, ring.head, complete)

    def head(self, log: str) -> Position:
        ring = self._rings.get(log)
        return Position(self._epoch, 0) if ring is None else Position(ring.epoch, ring.head)

    def forget(self, session: str) -> None:
        self._seen.pop(session, None)

    def _append_one(self, item: Append, now: float) -> Appended:
        # UUIDs compare without case.
        key = item.message_id.lower()
        seen = self._seen.setdefault(item.session, OrderedDict()) if item.session else None
        if seen is not None and key in seen:
            first = seen[key]
            return Appended(first.epoch, first.offset, True)
        ring = self._rings.get(item.log)
        if ring is None:
            ring = self._rings[item.log] = _Ring(self._epoch)
            self._used += _LOG_COST
        else:
            self._rings.move_to_end(item.log)
        size = len(item.record)
        ring.head += 1
        ring.entries.append((now, item.record))
        ring.size += size
        self._used += size + _RECORD_COST
        if len(ring.entries) > self._messages or ring.size > self._size or ring.entries[0][0] < now - self._age:
            self._used -= ring.trim(self._messages, self._size, now - self._age)
        if self._used > self._memory:
            self._evict()
        result = Appended(ring.epoch, ring.head)
        if seen is not None:
            seen[key] = result
            if len(seen) > DEDUP_WINDOW:
                seen.popitem(last=False)
        return result

    def _evict(self) -> None:
        """Drops the logs that were silent longest; should they return, they are other logs."""
        while self._used > self._memory and len(self._rings) > 1:
            _, ring = self._rings.popitem(last=False)
            self._used -= ring.size + _RECORD_COST * len(ring.entries) + _LOG_COST
        self._epoch = secrets.token_hex(6)


class _Ring:
    """One log: the records kept, the oldest first. `head` is the offset of the last."""

    __slots__ = ("entries", "epoch", "head", "size")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.head = 0
        self.size = 0
        self.entries: deque[tuple[float, bytes]] = deque()

    def trim(self, messages: int, size: int, oldest: float) -> int:
        """Drops what retention no longer keeps, but never the newest. Returns the bytes freed."""
        freed = count = 0
        entries = self.entries
        while len(entries) > 1 and (len(entries) > messages or self.size - freed > size or entries[0][0] < oldest):
            freed += len(entries.popleft()[1])
            count += 1
        self.size -= freed
        return freed + _RECORD_COST * count

    def expire(self, oldest: float) -> int:
        freed = count = 0
        while self.entries and self.entries[0][0] < oldest:
            freed += len(self.entries.popleft()[1])
            count += 1
        self.size -= freed
        return freed + _RECORD_COST * count

    def read(self, after: int, before: int | None, limit: int, newest: bool) -> tuple[list[tuple[int, bytes]], bool]:
        first = self.head - len(self.entries) + 1
        start = max(after + 1, first)
        stop = self.head + 1 if before is None else min(before, self.head + 1)
        available = max(0, stop - start)
        taken = min(available, limit)
        if newest:
            start = stop - taken
        records = islice(self.entries, start - first, start - first + taken)
        return [(start + place, record) for place, (_, record) in enumerate(records)], taken == available
