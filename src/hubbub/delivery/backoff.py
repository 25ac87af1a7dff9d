"""How long to wait before trying again: full jitter over a bound that doubles."""

from __future__ import annotations

from typing import Protocol

INITIAL = 1.0
MAXIMUM = 30.0


class Uniform(Protocol):
    """What a backoff needs of a random generator; `random.Random` has it."""

    def uniform(self, a: float, b: float, /) -> float: ...


class Backoff:
    """Delays in seconds: each a random part of `initial` · 2^n, at most of `maximum`.

    The whole of it is random, not a few percent, so that a crowd that was cut off at one moment does not come
    back at one moment.
    """

    def __init__(self, rng: Uniform, *, initial: float = INITIAL, maximum: float = MAXIMUM) -> None:
        self._rng = rng
        self._initial = initial
        self._maximum = maximum
        self._bound = min(initial, maximum)
        self.attempts = 0
        """Delays handed out since the last `reset`."""

    def next(self) -> float:
        """The delay before the next attempt, in seconds."""
        delay = self._rng.uniform(0.0, self._bound)
        self._bound = min(self._maximum, self._bound * 2)
        self.attempts += 1
        return delay

    def reset(self) -> None:
        """It worked: the next delay is a short one again."""
        self._bound = min(self._initial, self._maximum)
        self.attempts = 0
