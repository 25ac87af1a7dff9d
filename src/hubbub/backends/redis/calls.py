"""Function calls in the order they were made, as few pipelines as possible."""

from __future__ import annotations

import asyncio
from typing import Any

from hubbub.backends.redis.client import Call, RedisClient

LIMIT = 20_000
"""Calls that may wait; above it the server is taken to be away."""


class Calls:
    """What is called in one turn of the loop goes out as one pipeline; what is called meanwhile goes out next."""

    def __init__(self, client: RedisClient, *, limit: int = LIMIT) -> None:
        self._client = client
        self._limit = limit
        self._waiting: list[tuple[Call, asyncio.Future[Any]]] = []
        self._running: asyncio.Task[None] | None = None

    def call(self, function: str, keys: tuple[str, ...], *args: str | bytes | int | float) -> asyncio.Future[Any]:
        """What the function answers. It raises `ConnectionError` when that is unknown, `RedisError` when refused."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= self._limit:
            answer.set_exception(ConnectionError(f"{self._limit} calls wait for Redis already"))
            return answer
        self._waiting.append((Call(function, keys, args), answer))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        return answer

    async def drain(self) -> None:
        """Waits until everything called was answered."""
        while self._running is not None:
            await asyncio.wait((self._running,))

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._send(batch)
        self._running = None

    async def _send(self, batch: list[tuple[Call, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._client.execute([call for call, _ in batch])
        except Exception as error:
            # One for each: an exception carries the traceback of whoever awaits it.
            answers = [ConnectionError(str(error)) for _ in batch]
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
