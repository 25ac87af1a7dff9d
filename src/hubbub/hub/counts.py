"""What a hub has done so far, in numbers that only grow."""

from __future__ import annotations


class Counts:
    """Counted once for many, where it can be: nothing here costs a message or a reader more than an addition."""

    __slots__ = ("appends", "deliveries", "gaps", "rate_limited", "redeliveries", "restores")

    def __init__(self) -> None:
        self.appends = 0
        """Records handed to the log."""
        self.deliveries = 0
        """Records written to a reader, repeats included."""
        self.redeliveries = 0
        """Rewinds of a reader that acknowledged nothing in time."""
        self.gaps = 0
        """Times that a reader was told that something will not come."""
        self.restores = 0
        """Sessions that came back."""
        self.rate_limited = 0
        """Messages refused since their sender was too fast."""
