"""One way of a connection in memory: what travels, with delay, in order, until it breaks."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

_THAWING = 1e-4
"""Seconds between two items of a link that was frozen."""


class Item(NamedTuple):
    """What travels: `data`, `ping`, `pong`, `close` or `reset`, with its content and size in bytes."""

    kind: str
    content: Any = None
    size: int = 16


class Pipe:
    """One direction of a link: in order, each item after a delay of its own. Broken, it swallows everything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: random.Random, delay: float) -> None:
        self._loop = loop
        self._rng = rng
        self.delay = delay
        self.is_broken = False
        self._last = 0.0
        self._frozen: deque[Item] | None = None
        self.arrived: Callable[[Item], None]

    def send(self, item: Item) -> None:
        due = self._loop.time() + self.delay * (0.5 + self._rng.random())
        # Nothing overtakes; the smallest step keeps items apart that would come at one time.
        self._last = max(due, self._last + 1e-9)
        self._loop.call_at(self._last, self._arrive, item)

    def freeze(self, seconds: float) -> None:
        """For so long nothing arrives; then all of it does, in order."""
        if self._frozen is None:
            self._frozen = deque()
            self._loop.call_later(seconds, self._thaw)

    def _arrive(self, item: Item) -> None:
        if self._frozen is not None:
            self._frozen.append(item)
        elif not self.is_broken:
            self.arrived(item)

    def _thaw(self) -> None:
        if not self._frozen:
            self._frozen = None
            return
        item = self._frozen.popleft()
        if not self.is_broken:
            self.arrived(item)
        # One after the other, so that the first has its effect before the second comes.
        self._loop.call_later(_THAWING, self._thaw)
