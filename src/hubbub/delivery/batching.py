"""Items collected into batches: when one is due, and what becomes of one that fails."""

from __future__ import annotations

import math
from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

from hubbub.errors import ConfigurationError, HubbubError

T = TypeVar("T")

MAX_RETRY_DELAY = 30.0
"""Seconds; doubling ends there. A first delay that is longer stays as it is."""


class State(Enum):
    """Where the one batch is."""

    NONE = auto()
    OUT = auto()
    """With whoever took it."""
    HELD = auto()
    """It failed, and waits for its next attempt."""


_NEXT = {
    (State.NONE, "take"): State.OUT,
    (State.HELD, "take"): State.OUT,
    (State.OUT, "done"): State.NONE,
    (State.OUT, "retry"): State.HELD,
}


class Batcher(Generic[T]):
    """Collects items, and hands them out in order, one batch at a time.

    A batch is due when `size` items wait, or `wait` seconds after the first of them came; after `close`
    whatever waits is due. One that fails is due again after `retry_delay` seconds, twice as long each time
    (up to 30 s), with the same items and before any other; after `retries` repeats it is dead.
    At most `limit` items, those of the batch counted.

    `take` a batch when `deadline` has come, and say `done` or `failed` before the next. A call out of turn
    raises `HubbubError`. `now` is any clock in seconds that does not go back.
    """

    __slots__ = (
        "_attempt",
        "_batch",
        "_closed",
        "_retries",
        "_retry_at",
        "_retry_delay",
        "_size",
        "_state",
        "_wait",
        "_waiting",
        "limit",
    )

    def __init__(
        self,
        *,
        size: int = 10,
        wait: float = 0.05,
        limit: int = 1000,
        retries: int = 3,
        retry_delay: float = 0.1,
    ) -> None:
        if size < 1:
            raise ConfigurationError("size", "a batch has at least 1 item")
        if limit < size:
            raise ConfigurationError("limit", f"it must hold a whole batch: at least {size}")
        if retries < 0:
            raise ConfigurationError("retries", "0 or more")
        for name, value in (("wait", wait), ("retry_delay", retry_delay)):
            if not (math.isfinite(value) and value >= 0):
                raise ConfigurationError(name, "seconds, 0 or more")
        self.limit = limit
        self._size = size
        self._wait = wait
        self._retries = retries
        self._retry_delay = retry_delay
        self._state = State.NONE
        self._closed = False
        # Each with the time when it came: the wait goes by the first of those that are still there.
        self._waiting: deque[tuple[float, T]] = deque()
        self._batch: list[T] = []
        self._attempt = 0
        self._retry_at = 0.0

    def __len__(self) -> int:
        """Items that are not processed, those of the batch counted."""
        return len(self._waiting) + len(self._batch)

    @property
    def is_full(self) -> bool:
        return len(self) >= self.limit

    @property
    def is_closed(self) -> bool:
        return self._closed

    @property
    def attempt(self) -> int:
        """How many times the batch was taken; 0 where there is none."""
        return self._attempt

    @property
    def deadline(self) -> float | None:
        """When the next batch is due, perhaps in the past. None while one is out, or nothing waits."""
        if self._state is State.HELD:
            return self._retry_at
        if self._state is State.OUT or not self._waiting:
            return None
        first = self._waiting[0][0]
        if self._closed:
            return first
        due = first + self._wait
        if len(self._waiting) >= self._size:
            due = min(due, self._waiting[self._size - 1][0])
        return due

    def is_due(self, now: float) -> bool:
        """Whether `take` may be called."""
        deadline = self.deadline
        return deadline is not None and deadline <= now

    def add(self, item: T, now: float) -> None:
        """The item waits for its batch. Raises `HubbubError` when this is full or closed: look first."""
        if self._closed:
            raise HubbubError("closed: no more items are taken")
        if self.is_full:
            raise HubbubError(f"full: {self.limit} items wait")
        self._waiting.append((now, item))

    def take(self, now: float) -> list[T]:
        """The batch that is due: new items, or those that failed. The caller may do with the list what it likes."""
        if not self.is_due(now):
            raise HubbubError("no batch is due")
        if self._state is State.NONE:
            waiting = self._waiting
            self._batch = [waiting.popleft()[1] for _ in range(min(self._size, len(waiting)))]
        self._move("take")
        self._attempt += 1
        return list(self._batch)

    def done(self) -> None:
        """The batch that is out is processed, or dead and put aside."""
        self._move("done")
        self._forget()

    def failed(self, now: float) -> float | None:
        """The batch that is out was not processed. Returns the seconds until its next attempt.

        None when that was its last: it stays out, and counts, until the caller has put it aside and says `done`.
        """
        if self._state is State.OUT and self._attempt > self._retries:
            return None
        self._move("retry")
        # The exponent has a bound, since a float has.
        delay = min(max(MAX_RETRY_DELAY, self._retry_delay), self._retry_delay * 2.0 ** min(self._attempt - 1, 64))
        self._retry_at = now + delay
        return delay

    def close(self) -> None:
        """Takes no more items, and hands out those that wait without letting them wait. Harmless twice."""
        self._closed = True

    def clear(self) -> list[T]:
        """Gives everything back, the batch that is out or held first. Nothing is left, and no batch is out."""
        rest = [*self._batch, *(item for _, item in self._waiting)]
        self._waiting.clear()
        self._forget()
        self._state = State.NONE
        return rest

    def _move(self, action: str) -> None:
        state = _NEXT.get((self._state, action))
        if state is None:
            raise HubbubError("no batch is out")
        self._state = state

    def _forget(self) -> None:
        self._batch = []
        self._attempt = 0
