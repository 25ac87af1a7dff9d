"""A TCP proxy before a broker, that lets everything through late, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """`delay` in seconds is for each direction. `cut` resets every connection; `is_down` refuses new ones."""

    def __init__(self, port: int, target: int) -> None:
        self._port = port
        self._target = target
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        self.is_down = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            if self.is_down:
                raise ConnectionRefusedError
            far, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            back.transport.abort()
            return
        for source, sink in ((near, out), (far, back)):
            self._ends.add(sink)
            task = asyncio.get_running_loop().create_task(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        with suppress(OSError):
            while data := await source.read(65536):
                due = max(loop.time() + self.delay, due + 1e-6)
                loop.call_at(due, sink.write, data)
        loop.call_at(due, self._end, sink)

    def _end(self, sink: asyncio.StreamWriter) -> None:
        self._ends.discard(sink)
        sink.close()


@asynccontextmanager
async def proxying(port: int, target: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(port, target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
