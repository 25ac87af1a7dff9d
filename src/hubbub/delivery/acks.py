"""Deliveries that wait for an acknowledgement: a window for each reader. And deadlines, in one row."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW = 256
"""Deliveries that may be unacknowledged; then the position waits."""

_RESUME = WINDOW // 2


class AckWindow:
    """What one reader of one log was sent and has not acknowledged.

    `acked` is the offset up to which everything is processed, `progress` when it moved last. `pending` has, each with
    the time it was sent, the unacknowledged offsets up to `counted`. A live reader is sent what its feed has, and
    nothing is kept for each delivery: what came after `counted` is looked up only when it matters. `attempts`
    counts redeliveries without progress. Times are in seconds.
    """

    __slots__ = ("acked", "attempts", "counted", "pending", "progress")

    def __init__(self, acked: int) -> None:
        self.acked = acked
        self.attempts = 0
        self.counted = acked
        self.pending: deque[tuple[int, float]] = deque()
        self.progress = float("-inf")

    @property
    def is_full(self) -> bool:
        return len(self.pending) >= WINDOW

    @property
    def has_room(self) -> bool:
        """Whether a reader that waited may go on: not for one message at a time, but for a good part of a window."""
        return len(self.pending) <= _RESUME

    @property
    def floor(self) -> int:
        """Up to `floor + WINDOW` everything may be sent, whatever of it is for this reader."""
        return self.counted - len(self.pending)

    def sent(self, offset: int, now: float) -> None:
        """This went out, after what was sent before."""
        self.pending.append((offset, now))
        self.counted = offset

    def acknowledge(self, offset: int, now: float) -> bool:
        """Everything up to `offset` is processed. Returns whether that is news."""
        if offset <= self.acked:
            return False
        self.acked = offset
        self.attempts = 0
        self.progress = now
        self.counted = max(self.counted, offset)
        pending = self.pending
        while pending and pending[0][0] <= offset:
            pending.popleft()
        return True

    def is_overdue(self, now: float, patience: float) -> bool:
        """Whether something was sent `patience` ago, and nothing was acknowledged since then."""
        return bool(self.pending) and now - max(self.progress, self.pending[0][1]) >= patience

    def rewind(self) -> int:
        """What is unacknowledged is to be sent again: returns the offset after which to begin."""
        self.attempts += 1
        self.pending.clear()
        self.counted = self.acked
        return self.acked


class Deadlines(Generic[T]):
    """Who has until when. All have the same patience, so that the row is sorted by itself: no heap, no timers."""

    def __init__(self, patience: float) -> None:
        """`patience` in seconds."""
        self._patience = patience
        self._since: OrderedDict[T, float] = OrderedDict()

    def __contains__(self, item: T) -> bool:
        return item in self._since

    def __len__(self) -> int:
        return len(self._since)

    def set(self, item: T, now: float) -> None:
        """The patience with `item` begins now, or anew."""
        self._since[item] = now
        self._since.move_to_end(item)

    def clear(self, item: T) -> None:
        self._since.pop(item, None)

    def first(self) -> T:
        """Whose time is over first. Raises `StopIteration` when there is nobody."""
        return next(iter(self._since))

    def expired(self, now: float) -> Iterator[T]:
        """Hands out, once, those whose time is over."""
        while self._since:
            item, since = next(iter(self._since.items()))
            if now - since < self._patience:
                return
            del self._since[item]
            yield item
