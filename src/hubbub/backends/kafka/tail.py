"""The newest records of one log that this node follows, in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from hubbub.delivery.retention import Retention
from hubbub.delivery.ring import RECORD_COST, Entry

_SLACK = 64


class Tail:
    """Everything that came into the log after the offset `since`, in the order of offsets, which may have holes.

    It holds at most the `messages` and `size` of the retention (and a little more, so that cutting costs little);
    what it drops is still in Kafka, and `since` says so.
    """

    __slots__ = ("_messages", "_offsets", "_records", "_size", "cost", "since")

    def __init__(self, retention: Retention, since: int) -> None:
        self._messages = retention.messages
        self._size = retention.size
        self._offsets: list[int] = []
        self._records: list[bytes] = []
        self.since = since
        self.cost = 0
        """Bytes that the records take."""

    @property
    def last(self) -> int:
        """The offset of the last record, or `since` when there is none."""
        return self._offsets[-1] if self._offsets else self.since

    def append(self, offset: int, record: bytes) -> int:
        """Adds a record after all others. Returns the bytes by which the tail grew."""
        before = self.cost
        self._offsets.append(offset)
        self._records.append(record)
        self.cost += len(record) + RECORD_COST
        count = len(self._offsets)
        if count >= self._messages + _SLACK or self.cost - count * RECORD_COST > self._size:
            self._cut()
        return self.cost - before

    def clear(self, since: int) -> int:
        """Drops everything up to this offset, which is all. Returns the bytes freed."""
        freed = self.cost
        self._offsets.clear()
        self._records.clear()
        self.cost = 0
        self.since = since
        return freed

    def extend(self, since: int, entries: Sequence[Entry]) -> int:
        """Adds everything that came after an earlier `since`, if there is room. Returns the bytes by which it grew."""
        older = [entry for entry in entries if entry[0] <= self.since]
        size = sum(len(record) for _, record in older)
        kept = self.cost - len(self._offsets) * RECORD_COST
        if since >= self.since or len(older) + len(self._offsets) > self._messages or size + kept > self._size:
            return 0
        self._offsets[:0] = [offset for offset, _ in older]
        self._records[:0] = [record for _, record in older]
        self.since = since
        grown = size + len(older) * RECORD_COST
        self.cost += grown
        return grown

    def read(self, after: int, before: int | None, limit: int, newest: bool) -> tuple[list[Entry], bool]:
        """At most `limit` entries between the exclusive bounds, ascending, and whether those are all of the tail's.

        When there are more they are the oldest, or with `newest` the newest.
        """
        start = bisect_right(self._offsets, after)
        stop = len(self._offsets) if before is None else bisect_left(self._offsets, before)
        available = max(0, stop - start)
        taken = min(available, limit)
        if newest:
            start = stop - taken
        stop = start + taken
        return list(zip(self._offsets[start:stop], self._records[start:stop], strict=True)), taken == available

    def _cut(self) -> None:
        surplus = max(0, len(self._offsets) - self._messages)
        size = self.cost - len(self._offsets) * RECORD_COST - sum(map(len, self._records[:surplus]))
        # The newest stays, however large it is.
        while size > self._size and surplus < len(self._offsets) - 1:
            size -= len(self._records[surplus])
            surplus += 1
        if surplus:
            self.since = self._offsets[surplus - 1]
            del self._offsets[:surplus]
            del self._records[:surplus]
            self.cost = size + len(self._offsets) * RECORD_COST
