"""Deliveries that wait for an acknowledgement: a window for each reader, and one row of deadlines for all of them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

WINDOW = 256
"""Deliveries that may be unacknowledged; then the position waits."""

_RESUME = WINDOW // 2


class AckWindow:
    """What one reader of one log was sent and has not acknowledged.

    `acked` is the offset up to which everything is processed. `attempts` counts redeliveries without progress.
    """

    __slots__ = ("acked", "attempts", "pending")

    def __init__(self, acked: int) -> None:
        self.acked = acked
        self.attempts = 0
        self.pending: deque[int] = deque()

    @property
    def is_full(self) -> bool:
        return len(self.pending) >= WINDOW

    @property
    def has_room(self) -> bool:
        """Whether a reader that waited may go on: not for one message at a time, but for a good part of a window."""
        return len(self.pending) <= _RESUME

    def fits(self, count: int) -> bool:
        return len(self.pending) + count <= WINDOW

    def sent(self, offsets: Sequence[int]) -> None:
        """These went out, ascending, all of them after what was sent before."""
        self.pending.extend(offsets)

    def acknowledge(self, offset: int) -> bool:
        """Everything up to `offset` is processed. Returns whether that is news."""
        if offset <= self.acked:
            return False
        self.acked = offset
        self.attempts = 0
        pending = self.pending
        while pending and pending[0] <= offset:
            pending.popleft()
        return True

    def rewind(self) -> int:
        """What is unacknowledged is to be sent again: returns the offset after which to begin."""
        self.attempts += 1
        self.pending.clear()
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
