"""The newest records of one log, in memory: as many as its retention keeps.

A `Ring` is for logs in which every record counts. In a `ConflatingRing` the newest record of each key stays when
the others are dropped. `make_ring` chooses.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice

from hubbub.delivery.retention import Retention

RECORD_COST = 150
"""Bytes that a record takes besides itself, so that many tiny ones are bounded, too."""

Entry = tuple[int, bytes]
"""An offset and the record there."""


class Ring:
    """The records kept, the oldest first, without holes; `head` is the offset of the last one.

    Every method that changes what is kept returns or counts bytes with `RECORD_COST` a record. Times are in
    seconds, of any clock that does not go back.
    """

    __slots__ = ("age", "entries", "epoch", "head", "limit", "messages", "size")

    def __init__(self, retention: Retention, epoch: str = "", head: int = 0) -> None:
        self.messages = retention.messages
        self.limit = retention.size
        self.age = retention.age
        self.epoch = epoch
        self.head = head
        self.size = 0
        """Bytes of the records in `entries`."""
        self.entries: deque[tuple[float, bytes]] = deque()

    @property
    def first(self) -> int:
        """The offset of the oldest entry, or of the next one when there is none."""
        return self.head - len(self.entries) + 1

    @property
    def oldest(self) -> int:
        """A reader missed something if and only if it was at an offset below `oldest - 1`."""
        return self.head - len(self.entries) + 1

    @property
    def cost(self) -> int:
        """Bytes that all of it takes."""
        return self.size + RECORD_COST * len(self.entries)

    def append(self, now: float, record: bytes, key: str = "") -> int:
        """Adds the record at the next offset, and drops what is too much. Returns the bytes by which it grew."""
        entries = self.entries
        size = len(record)
        self.head += 1
        entries.append((now, record))
        self.size += size
        if len(entries) > self.messages or self.size > self.limit or entries[0][0] < now - self.age:
            return size + RECORD_COST - self.trim(now)
        return size + RECORD_COST

    def trim(self, now: float) -> int:
        """Drops what retention no longer keeps, but never the newest. Returns the bytes freed."""
        freed = count = 0
        entries = self.entries
        oldest = now - self.age
        surplus = self.size - self.limit
        while len(entries) > 1 and (len(entries) > self.messages or freed < surplus or entries[0][0] < oldest):
            freed += len(entries.popleft()[1])
            count += 1
        self.size -= freed
        return freed + RECORD_COST * count

    def expire(self, now: float) -> int:
        """Drops what is too old, be it everything. Returns the bytes freed."""
        freed = count = 0
        entries = self.entries
        oldest = now - self.age
        while entries and entries[0][0] < oldest:
            freed += len(entries.popleft()[1])
            count += 1
        self.size -= freed
        return freed + RECORD_COST * count

    def drop(self, upto: int) -> int:
        """Drops what is at offsets up to this one. Returns the bytes freed."""
        freed = count = 0
        while self.entries and self.first <= upto:
            freed += len(self.entries.popleft()[1])
            count += 1
        self.size -= freed
        return freed + RECORD_COST * count

    def restart(self, head: int) -> int:
        """Begins anew behind an offset; for whoever has the records elsewhere. Returns the bytes freed."""
        freed = self.cost
        self.entries.clear()
        self.size = 0
        self.head = head
        return freed

    def read(self, after: int, before: int | None, limit: int, newest: bool) -> tuple[list[Entry], bool]:
        """At most `limit` entries between the exclusive bounds, ascending, and whether those are all.

        When there are more they are the oldest, or with `newest` the newest.
        """
        first = self.first
        start = max(after + 1, first)
        stop = self.head + 1 if before is None else min(before, self.head + 1)
        available = max(0, stop - start)
        taken = min(available, limit)
        if taken == 0:
            return [], available == 0
        if newest:
            start = stop - taken
        records = islice(self.entries, start - first, start - first + taken)
        return [(start + place, record) for place, (_, record) in enumerate(records)], taken == available


class ConflatingRing(Ring):
    """Beyond the retention it keeps the newest record of each key: at most `keys`, then the oldest goes.

    A record that a newer one of its key superseded is not missed by anyone when it goes. One without a key is,
    and so is one that went for the bound on keys; when such a one went, `oldest` is above what is still kept
    and older.
    """

    __slots__ = ("_besides", "_bound", "_kept", "_keys", "_lost", "_newest")

    def __init__(self, retention: Retention, epoch: str = "", head: int = 0) -> None:
        super().__init__(retention, epoch, head)
        self._bound = retention.keys
        self._lost = head
        """The highest offset that somebody could have missed."""
        self._keys: deque[str] = deque()
        """The keys of `entries`."""
        self._newest: dict[str, int] = {}
        """The offset of each key's newest record, wherever that is."""
        self._kept: OrderedDict[str, Entry] = OrderedDict()
        """What outlived the retention, in the order of offsets: records age in that order."""
        self._besides = 0
        """Bytes of what is kept besides the records of `entries`: keys, and what outlived the retention."""

    @property
    def oldest(self) -> int:
        return self._lost + 1

    @property
    def cost(self) -> int:
        return self.size + self._besides + RECORD_COST * (len(self.entries) + len(self._kept) + len(self._newest))

    def append(self, now: float, record: bytes, key: str = "") -> int:
        before = self.cost
        if key:
            superseded = self._kept.pop(key, None)
            if superseded is not None:
                self._besides -= len(superseded[1]) + len(key)
            self._newest[key] = self.head + 1
        self._keys.append(key)
        self._besides += len(key)
        super().append(now, record)
        return self.cost - before

    def trim(self, now: float) -> int:
        count = 0
        size = self.size
        last = len(self.entries) - 1
        for at, record in islice(self.entries, last):
            if last + 1 - count <= self.messages and size <= self.limit and at >= now - self.age:
                break
            size -= len(record)
            count += 1
        return self._drop(count)

    def expire(self, now: float) -> int:
        count = 0
        for at, _ in self.entries:
            if at >= now - self.age:
                break
            count += 1
        return self._drop(count)

    def read(self, after: int, before: int | None, limit: int, newest: bool) -> tuple[list[Entry], bool]:
        entries, complete = super().read(after, before, limit, newest)
        if after >= self.first - 1 or not self._kept:
            return entries, complete
        older = [entry for entry in self._kept.values() if after < entry[0] and (before is None or entry[0] < before)]
        if newest:
            room = limit - len(entries)
            taken = older[-room:] if room else []
            return taken + entries, complete and len(taken) == len(older)
        taken = older[:limit]
        rest = entries[: limit - len(taken)]
        return taken + rest, complete and len(taken) + len(rest) == len(older) + len(entries)

    def _drop(self, count: int) -> int:
        """Moves the oldest entries out of the retention: to what outlives it, or away."""
        before = self.cost
        for _ in range(count):
            offset = self.first
            record = self.entries.popleft()[1]
            key = self._keys.popleft()
            self.size -= len(record)
            if not key:
                self._lost = offset
            elif self._newest[key] == offset:
                self._kept[key] = (offset, record)
                self._besides += len(record)
            else:
                self._besides -= len(key)
        while len(self._kept) > self._bound:
            key, (offset, record) = self._kept.popitem(last=False)
            self._besides -= len(record) + len(key)
            del self._newest[key]
            self._lost = max(self._lost, offset)
        return before - self.cost


def make_ring(retention: Retention, epoch: str = "") -> Ring:
    """An empty ring for a log that begins."""
    return ConflatingRing(retention, epoch) if retention.conflate else Ring(retention, epoch)
