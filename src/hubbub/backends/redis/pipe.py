"""Commands in, answers out, on one connection to one server."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from hubbub.backends.redis.takeover import FAILURES, pack, take_over

_MORE = object()


class _Batch:
    """Commands that went out together, and what was answered so far."""

    __slots__ = ("answers", "count", "deadline", "done")

    def __init__(self, count: int, deadline: float, done: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.deadline = deadline
        self.done = done
        self.answers: list[Any] = []


class Line:
    """One server: connected to when it is needed, and anew after it was cut."""

    def __init__(self, make: Callable[[], AbstractConnection], timeout: float) -> None:
        self._make = make
        self._timeout = timeout
        self._pipe: Pipe | None = None
        self._opening = asyncio.Lock()

    async def execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What each was answered, a `ResponseError` for those that were refused.

        Raises `ConnectionError` when an answer did not come: each may have been executed, or not.
        """
        pipe = self._pipe
        if pipe is None or pipe.is_closed:
            pipe = await self._open()
        return await pipe.execute(commands)

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.abort("closed")

    async def _open(self) -> Pipe:
        async with self._opening:
            if self._pipe is not None and not self._pipe.is_closed:
                return self._pipe
            pipe = Pipe(self._timeout)
            try:
                async with asyncio.timeout(self._timeout):
                    await pipe.open(self._make())
            except FAILURES as error:
                raise ConnectionError(f"Redis is away: {str(error) or 'it does not answer'}") from None
            self._pipe = pipe
            return pipe


class Pipe(asyncio.Protocol):
    """One connection's life. A server that owes an answer for `timeout` seconds is hung up on."""

    def __init__(self, timeout: float) -> None:
        self.is_closed = False
        self._timeout = timeout
        self._writer: asyncio.StreamWriter | None = None
        self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_MORE)
        self._batches: deque[_Batch] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, connection: AbstractConnection) -> None:
        """Connects. Raises `FAILURES`."""
        self._writer = await take_over(connection, self)

    async def execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        assert self._writer is not None
        loop = asyncio.get_running_loop()
        batch = _Batch(len(commands), loop.time() + self._timeout, loop.create_future())
        self._batches.append(batch)
        if self._timer is None:
            self._timer = loop.call_at(batch.deadline, self._look)
        self._writer.transport.write(b"".join(map(pack, commands)))
        return await batch.done

    def abort(self, problem: str) -> None:
        """Hangs up. What was not answered never will be."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._writer is not None:
            self._writer.transport.abort()
        if self._timer is not None:
            self._timer.cancel()
        while self._batches:
            done = self._batches.popleft().done
            if not done.done():
                done.set_exception(ConnectionError(f"Redis is away: {problem}"))

    def data_received(self, data: bytes) -> None:
        gets = self._reader.gets
        batches = self._batches
        self._reader.feed(data)
        try:
            while (answer := gets()) is not _MORE:
                batch = batches[0]
                batch.answers.append(answer)
                if len(batch.answers) == batch.count:
                    batches.popleft()
                    if not batch.done.done():
                        batch.done.set_result(batch.answers)
        except (hiredis.ProtocolError, IndexError) as error:
            self.abort(f"the answer cannot be read: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self.abort(str(error or "the connection was lost"))

    def _look(self) -> None:
        """Whether the oldest answer is due."""
        self._timer = None
        if not self._batches:
            return
        loop = asyncio.get_running_loop()
        deadline = self._batches[0].deadline
        if deadline <= loop.time():
            self.abort(f"no answer for {self._timeout:g} s")
        else:
            self._timer = loop.call_at(deadline, self._look)
