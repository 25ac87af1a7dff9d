"""Work that has an order: what is asked for in one lane is done one after the other, lanes beside each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("hubbub.lanes")


class Lanes:
    """Lanes are named by a room and a session; one that is empty costs nothing."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], asyncio.Task[None]] = {}
        """The last that was begun in each."""
        self._started = 0

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it in a lane of its own."""
        self._started += 1
        self.add("?", str(self._started), work)

    def add(self, room: str, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Runs it when what was begun before in this lane is over. What it raises is logged."""
        lane = room, key
        before = self._last.get(lane)

        async def go() -> None:
            if before is not None:
                await asyncio.wait({before})
            await work

        task = self._last[lane] = asyncio.get_running_loop().create_task(go())

        def over(task: asyncio.Task[None]) -> None:
            if self._last.get(lane) is task:
                del self._last[lane]
            if not task.cancelled() and task.exception() is not None:
                log.error("what was to be done about %s failed", room, exc_info=task.exception())

        task.add_done_callback(over)

    def is_free(self, room: str, key: str) -> bool:
        return (room, key) not in self._last

    async def settle(self) -> None:
        """Waits until nothing is under way."""
        while self._last:
            await asyncio.wait(list(self._last.values()))

    def abandon(self) -> None:
        """Waits for nothing any more."""
        for task in list(self._last.values()):
            task.cancel()
