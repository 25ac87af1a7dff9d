"""Waiting for a condition in contract suites, instead of for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which what was to come is taken not to come."""


class Changes:
    """What something came to: `noted` whenever it did."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def note(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns once the condition holds; it is asked after every change. Raises `TimeoutError`."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
