"""One node's line to the stores that a cluster shares: with delay, and with the faults that a network has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, TypeVar

from hubbub.ports import Append, Appended, Page, Refused, SharedLog, Sink
from hubbub.protocol.payloads import Position

T = TypeVar("T")

PATIENCE = 0.5
"""Seconds after which a call over a line that is cut fails."""


class Line:
    """What goes over it keeps its order. Cut, every call fails, be it before or after it was done."""

    def __init__(self, rng: random.Random, *, delay: float = 0.0) -> None:
        """`delay` in seconds is the mean of one way."""
        self._rng = rng
        self.delay = delay
        self.is_cut = False
        self.is_over = False
        """Whether the node behind it is dead: then nothing arrives any more, and nobody is told."""
        self._last: dict[str, float] = {}

    async def call(self, function: Callable[[], Awaitable[T] | T]) -> T:
        """What the function says at the other end. Raises `ConnectionError` where the line is cut."""
        await self._travel("up")
        result = function()
        if isawaitable(result):
            result = await result
        await self._travel("down")
        return result

    def bring(self, function: Callable[..., object], *arguments: Any, way: str = "told", late: float = 0.0) -> None:
        """Calls the function at this end, unless the line is cut by then. What goes one `way` keeps its order."""
        due = self._due(way, late)
        asyncio.get_running_loop().call_at(due, self._bring, function, arguments)

    def _bring(self, function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if not (self.is_cut or self.is_over):
            function(*arguments)

    async def _travel(self, way: str) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._due(way, 0.0) - loop.time())
        if self.is_over:
            # A dead process waits for nothing: its tasks end with the loop.
            await loop.create_future()
        if self.is_cut:
            await asyncio.sleep(PATIENCE)
            raise ConnectionError("the line is cut")

    def _due(self, way: str, late: float) -> float:
        now = asyncio.get_running_loop().time()
        due = max(now + late + self.delay * (0.5 + self._rng.random()), self._last.get(way, 0.0) + 1e-9)
        self._last[way] = due
        return due


class LineLog:
    """Implements `SharedLog` over another one, at the end of a line; `DocumentLog`, if that one does.

    What arrives may come late, twice, or not at all: `late` in seconds at most, the others as probabilities. When the
    line is mended, whoever follows is told that it was interrupted, unless `is_silent`.
    """

    def __init__(self, line: Line, shared: SharedLog, rng: random.Random) -> None:
        self._line = line
        self._shared = shared
        self._rng = rng
        self._sinks: dict[str, Sink] = {}
        self.late = 0.0
        self.twice = 0.0
        self.skipped = 0.0

    @property
    def dense(self) -> bool:
        return self._shared.dense

    @property
    def conditional(self) -> bool:
        return self._shared.conditional

    def cut(self) -> None:
        """Nothing goes over the line from now on."""
        self._line.is_cut = True

    def mend(self, *, is_silent: bool = False) -> None:
        """It goes on, and who follows is told that something may be missing, as a driver does that connects anew."""
        self._line.is_cut = False
        if not is_silent:
            for log, sink in self._sinks.items():
                self._line.bring(sink.interrupted, log)

    async def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:
        return await self._line.call(lambda: self._shared.append(batch))

    async def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page:
        return await self._line.call(
            lambda: self._shared.read(log, after=after, before=before, limit=limit, newest=newest)
        )

    async def head(self, log: str) -> Position:
        return await self._line.call(lambda: self._shared.head(log))

    async def follow(self, log: str, sink: Sink) -> Position:
        self._sinks[log] = sink
        try:
            return await self._line.call(lambda: self._shared.follow(log, self))
        except ConnectionError:
            self._sinks.pop(log, None)
            raise

    def unfollow(self, log: str, sink: Sink) -> None:
        self._sinks.pop(log, None)
        self._shared.unfollow(log, self)

    async def trim(self, log: str, upto: int) -> None:
        inner: Any = self._shared
        await self._line.call(lambda: inner.trim(log, upto))

    def forget(self, session: str) -> None:
        if not (self._line.is_cut or self._line.is_over):
            self._shared.forget(session)

    def close(self) -> None:
        """The other nodes go on with it."""
        for log in list(self._sinks):
            self.unfollow(log, self)

    # --- The sink of the log at the other end ----------------------------------------------------------

    def arrived(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        sink = self._sinks.get(log)
        if sink is None or self._line.is_cut or self._rng.random() < self.skipped:
            return
        late = self.late * self._rng.random() if self.late else 0.0
        self._line.bring(sink.arrived, log, epoch, entries, way=log, late=late)
        if self._rng.random() < self.twice:
            self._line.bring(sink.arrived, log, epoch, entries, way=log, late=late)

    def interrupted(self, log: str) -> None:
        sink = self._sinks.get(log)
        if sink is not None:
            self._line.bring(sink.interrupted, log, way=log)
