"""A token bucket that goes into debt: how much may pass, and how long whoever took too much is to wait."""

from __future__ import annotations


class Bucket:
    """Holds at most `burst` tokens and gains `rate` a second. It is asked now and then, not for every token.

    Whoever goes on at no tokens owes them: nothing passes until the debt is paid by waiting.
    """

    __slots__ = ("_at", "_burst", "_counted", "_level", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """It is full at first. `now` in seconds."""
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._counted = 0
        self._at = now

    def take(self, counted: int, now: float) -> float:
        """The tokens that are left when `counted` have been taken since the beginning; negative is a debt."""
        gained = self._level + (now - self._at) * self._rate
        self._level = min(self._burst, gained) - (counted - self._counted)
        self._counted = counted
        self._at = now
        return self._level

    @property
    def wait(self) -> float:
        """Seconds until the debt is paid; 0 without one."""
        return max(0.0, -self._level / self._rate)
