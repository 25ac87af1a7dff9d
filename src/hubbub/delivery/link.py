"""How good a link is: its round trip, smoothed and judged."""

from __future__ import annotations

from typing import Literal

Quality = Literal["good", "slow", "bad"]

GOOD = 0.1
"""Seconds of round trip below which a link is good."""

SLOW = 0.5
"""Seconds of round trip below which it is slow; at or above, it is bad."""

INTERVAL = 5.0
"""Seconds between two checks."""

_NEW = 0.5
"""How much a new measurement counts. At one in 5 s a link that has recovered is to be seen within a few of them."""


def judge(round_trip: float) -> Quality:
    """What a round trip, in seconds, makes of a link."""
    if round_trip < GOOD:
        return "good"
    return "slow" if round_trip < SLOW else "bad"


class LinkMeter:
    """Measures with one ping at a time. `quality` changes only at a `check`, every 5 seconds.

    A link that was not measured yet counts as good.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Another connection: what was measured is of the last one."""
        self.quality: Quality = "good"
        self.round_trip: float | None = None
        """Smoothed, in seconds."""
        self.pinged_at: float | None = None
        """When the ping that is under way was sent; None when there is none."""

    def pinged(self, now: float) -> None:
        """A ping went out. Send no other before `answered`."""
        self.pinged_at = now

    def answered(self, now: float) -> None:
        """Its pong came."""
        if self.pinged_at is None:
            return
        sample = now - self.pinged_at
        self.pinged_at = None
        before = self.round_trip
        self.round_trip = sample if before is None else before + (sample - before) * _NEW

    def check(self, now: float) -> Quality:
        """Judges the link anew. A ping that is still under way takes at least as long as until now."""
        latency = self.round_trip or 0.0
        if self.pinged_at is not None:
            latency = max(latency, now - self.pinged_at)
        self.quality = judge(latency)
        return self.quality
