"""One timer for many deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls back at the earliest time it was set to since the last call; the callback sets it anew.

    A deadline that is met costs nothing: the timer is left alone, and at its time the callback finds less to do.
    """

    __slots__ = ("_callback", "_handle", "_loop", "_when")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self._when = 0.0

    @property
    def is_set(self) -> bool:
        return self._handle is not None

    def by(self, when: float | None) -> None:
        """Calls back at this time of the loop at the latest; None asks for nothing."""
        if when is None or (self._handle is not None and self._when <= when):
            return
        self.stop()
        self._when = when
        self._handle = self._loop.call_at(when, self._ring)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self._callback()
