"""A clock that goes when it is told to."""

from __future__ import annotations


class VirtualClock:
    """Call it for the time in seconds; `advance` makes it later."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        """The same as milliseconds since 1970."""
        return int(self.now * 1000)

    def advance(self, seconds: float) -> None:
        self.now += seconds
