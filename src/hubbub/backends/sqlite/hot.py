"""The hot tier: of each log that was used lately its newest records, in memory. It loses nothing: all is on disk."""

from __future__ import annotations

from collections import OrderedDict

from hubbub.backends.sqlite.reading import Query, StoredPage
from hubbub.delivery.retention import Retention
from hubbub.delivery.ring import Ring

_LOG_COST = 900


class HotLog:
    """One log as the loop knows it: where its end is, and its newest records.

    Only what is committed gets into the ring. `last` is the last offset given out, committed or not; `tail` the
    last one that is committed or on its way; `floor` the last offset that somebody could have missed, as far as is
    known here.
    """

    __slots__ = ("_begun", "_whole", "floor", "id", "last", "name", "pins", "retention", "ring", "tail", "touched")

    def __init__(self, name: str, id: int, epoch: str, retention: Retention, messages: int, size: int) -> None:
        self.name = name
        self.id = id
        """Its number on disk; 0 as long as nothing was appended."""
        self.retention = retention
        limits = Retention(min(messages, retention.messages), min(size, retention.size), retention.age)
        self.ring = Ring(limits, epoch)
        self._whole = not retention.conflate and limits.messages == retention.messages and limits.size == retention.size
        self._begun = 1
        self.last = 0
        self.tail = 0
        self.floor = 0
        self.touched = 0.0
        """When the last record was appended, in seconds since 1970."""
        self.pins = 0
        """While above 0 the log stays in memory."""

    @property
    def cost(self) -> int:
        return self.ring.cost + _LOG_COST

    def begin(self, head: int, floor: int, touched: float) -> None:
        """So it is on disk; the ring begins behind that."""
        self.ring.head = self.last = self.tail = head
        self.floor = floor
        self.touched = touched
        self._begun = head + 1

    def commit(self, offset: int, at: float, record: bytes) -> int:
        """The record is on disk. Returns the bytes by which the ring grew."""
        ring = self.ring
        grown = 0
        if offset != ring.head + 1:
            # Offsets in between were given out in vain. A ring has no holes, so that it begins anew.
            grown -= ring.restart(offset - 1)
            self._begun = offset
        grown += ring.append(at, record)
        if self._whole and ring.first > self._begun:
            # What such a ring drops is beyond the retention.
            self.floor = ring.first - 1
        return grown

    def expire(self, now: float) -> int:
        """Drops what is too old. Returns the bytes freed."""
        freed = self.ring.expire(now)
        if freed and not self.retention.conflate:
            self.floor = self.ring.first - 1
        return freed

    def trim(self, floor: int) -> int:
        """What is at offsets up to `floor` was dropped on disk. Returns the bytes freed here."""
        self.floor = max(self.floor, floor)
        return self.ring.drop(floor)

    def read(self, query: Query) -> StoredPage | None:
        """The page, if everything in question is in the ring."""
        ring = self.ring
        after = query.after if self.retention.conflate else max(query.after, self.floor)
        if after < ring.first - 1:
            return None
        entries, complete = ring.read(query.after, query.before, query.limit, query.newest)
        return StoredPage(entries, ring.head, self.floor, complete)


class HotLogs:
    """All of them, at most `memory` bytes together: above that, those that were not used longest go."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._logs: OrderedDict[str, HotLog] = OrderedDict()
        self.used = 0
        self.held = False
        """While it is True nothing goes."""

    def __contains__(self, name: str) -> bool:
        return name in self._logs

    def __len__(self) -> int:
        return len(self._logs)

    def get(self, name: str) -> HotLog | None:
        """The log, if it is there; it is the last to go now."""
        return self.use(name) if name in self._logs else None

    def use(self, name: str) -> HotLog:
        """The same for a log that is there."""
        self._logs.move_to_end(name)
        return self._logs[name]

    def add(self, log: HotLog) -> None:
        """A log that was read from disk."""
        self._logs[log.name] = log
        self.used += log.cost

    def shrink(self) -> None:
        """Drops what is too much."""
        if self.held or self.used <= self._memory:
            return
        victims = []
        surplus = self.used - self._memory
        for log in self._logs.values():
            if surplus <= 0:
                break
            if not log.pins:
                victims.append(log)
                surplus -= log.cost
        for log in victims:
            del self._logs[log.name]
            self.used -= log.cost
