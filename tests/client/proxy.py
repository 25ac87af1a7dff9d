"""A small TCP proxy between a client and a real server, which can be told to fail in the ways that networks do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubbub import Hubbub


class Proxy:
    """`cut` resets every connection; `is_down` refuses new ones; `is_stalled` lets nothing through, in silence."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: dict[frozenset[asyncio.Task[None]], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._server: asyncio.Server
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.is_down = False
        self.connections = 0
        self.cut_after: int | None = None
        """Cuts when so many more bytes went to the client: in the midst of a frame, as it happens."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    @property
    def is_stalled(self) -> bool:
        return not self._flowing.is_set()

    @is_stalled.setter
    def is_stalled(self, value: bool) -> None:
        if value:
            self._flowing.clear()
        else:
            self._flowing.set()

    def cut(self) -> None:
        self.cut_after = None
        for pumps, pair in list(self._pairs.items()):
            for writer in pair:
                writer.transport.abort()
            for pump in pumps:
                pump.cancel()

    async def stop(self) -> None:
        self._server.close()
        while self._pairs:
            self.cut()
            await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_down:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ways = (self._pump(reader, back, False), self._pump(there, writer, True))
        pumps = frozenset(asyncio.create_task(way) for way in ways)
        self._pairs[pumps] = (writer, back)
        await asyncio.wait(pumps)
        del self._pairs[pumps]

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, to_client: bool) -> None:
        try:
            while data := await source.read(4096):
                await self._flowing.wait()
                if sink.is_closing():
                    break
                if to_client:
                    data = self._count(data)
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    def _count(self, data: bytes) -> bytes:
        if self.cut_after is None:
            return data
        kept = data[: max(0, self.cut_after)]
        self.cut_after -= len(data)
        if self.cut_after <= 0:
            # Whatever else comes before that is over its bound, too: nothing is left out of the middle.
            asyncio.get_running_loop().call_soon(self.cut)
        return kept


@asynccontextmanager
async def proxied(app: Hubbub) -> AsyncIterator[Proxy]:
    proxy = Proxy(int(app.url.rpartition(":")[2]))
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
