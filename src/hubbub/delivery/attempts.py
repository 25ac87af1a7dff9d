"""How often an address may fail: a window of a minute for each, and not more addresses than a bound."""

from __future__ import annotations

from collections import OrderedDict, deque

_WINDOW = 60.0
_MAX_ADDRESSES = 4096


class FailedAttempts:
    """Counts failures by address. The address that failed longest ago is forgotten for a new one."""

    def __init__(self, limit: int) -> None:
        """`limit` failures a minute for each address."""
        self._limit = limit
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, address: str, now: float) -> None:
        """One more failure."""
        times = self._failures.setdefault(address, deque(maxlen=self._limit))
        times.append(now)
        self._failures.move_to_end(address)
        if len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def refuse_for(self, address: str, now: float) -> float | None:
        """For how many seconds the address is to wait; None when it may try."""
        times = self._failures.get(address)
        if times is None or len(times) < self._limit:
            return None
        left = times[0] + _WINDOW - now
        return left if left > 0 else None
