"""The two ends of a connection in memory: the transport that a hub has, and the socket that a client has."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from hubbub.errors import ConnectionClosed
from hubbub.server.listener import Talk
from hubbub.testing.pipe import Item, Pipe
from hubbub.testing.transport import take_frames

WINDOW = 64 * 1024
"""Bytes under way to a client that does not read: what two kernels' socket buffers hold. As many unsent are where a
transport tells to stop, and a quarter of them where it tells to go on: as asyncio's."""

_PARTLY = 0.2
"""How often a socket that takes in part does so."""

_CLOSE_TIMEOUT = 3.0


class ServerEnd:
    """Implements `hubbub.ports.Transport`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        down: Pipe,
        address: str,
        window: int = WINDOW,
        chance: random.Random | None = None,
    ) -> None:
        """With `chance` the socket takes a part of what it is sent now and then, or nothing."""
        self._loop = loop
        self._down = down
        self._window = window
        self._chance = chance
        self.address = address
        self.talk: Talk
        self._unsent: deque[Item] = deque()
        self._buffered = 0
        self._under_way = 0
        self._is_closing = False
        self.is_closed = False
        self._is_paused = False
        self._held: deque[Item] | None = None
        self._timeout: asyncio.TimerHandle | None = None

    # --- The port --------------------------------------------------------------------------------------

    def write(self, frames: bytes, /) -> None:
        self._put(Item("data", frames, len(frames)))

    def send(self, frames: bytes) -> int:
        if self._chance is not None and self._chance.random() < _PARTLY:
            part = self._chance.randrange(len(frames))
            if not part:
                raise BlockingIOError
            frames = frames[:part]
        self.write(frames)
        return len(frames)

    def ping(self, payload: bytes) -> None:
        self._put(Item("ping"))

    def close(self, code: int, reason: str = "") -> None:
        if not self._is_closing:
            self._put(Item("close", ConnectionClosed(code, reason)))
            self._is_closing = True
            self._timeout = self._loop.call_later(_CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        self._is_closing = True
        if not self.is_closed:
            self._down.send(Item("reset"))
            self._loop.call_soon(self.end)

    def buffered(self) -> int:
        return self._buffered

    def pause_reading(self) -> None:
        if self._held is None:
            self._held = deque()

    def resume_reading(self) -> None:
        held, self._held = self._held, None
        for item in held or ():
            self._loop.call_soon(self.arrived, item)

    # --- The network's ---------------------------------------------------------------------------------

    def arrived(self, item: Item) -> None:
        """From the client."""
        if self.is_closed:
            return
        if self._held is not None and item.kind == "data":
            self._held.append(item)
        elif item.kind == "data":
            if not self._is_closing:
                self.talk.received(item.content, item.size)
        elif item.kind == "pong":
            self.talk.ponged()
        else:
            if item.kind == "close" and not self._is_closing:
                self._down.send(Item("close", item.content))
            self.end()

    def taken(self, size: int) -> None:
        """The client has read so much: as much may follow."""
        self._under_way -= size
        self._pump()

    def end(self) -> None:
        """The socket is gone."""
        if self.is_closed:
            return
        self.is_closed = self._is_closing = True
        if self._timeout is not None:
            self._timeout.cancel()
        self.talk.closed()

    def vanish(self) -> None:
        """The process is gone: nobody on this side says or hears anything any more."""
        self.is_closed = self._is_closing = True
        if self._timeout is not None:
            self._timeout.cancel()

    def _put(self, item: Item) -> None:
        if self._is_closing:
            return
        self._unsent.append(item)
        self._buffered += item.size
        self._pump()
        if self._buffered > self._window and not self._is_paused:
            self._is_paused = True
            self.talk.pause_writing()

    def _pump(self) -> None:
        while self._unsent and self._under_way < self._window:
            item = self._unsent.popleft()
            self._buffered -= item.size
            self._under_way += item.size
            self._down.send(item)
        if self._is_paused and self._buffered <= self._window // 4 and not self.is_closed:
            self._is_paused = False
            self.talk.resume_writing()


class ClientEnd:
    """Implements the client's socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        up: Pipe,
        taken: Callable[[int], None],
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
    ) -> None:
        self._loop = loop
        self._up = up
        self._taken = taken
        self._on_message = on_message
        self._on_closed = on_closed
        self._inbox: deque[Item] = deque()
        self._rest = b""
        """What came of a frame that has not come to its end."""
        self._is_reading = True
        self._stalled_until = 0.0
        self._closing: ConnectionClosed | None = None
        self._ended: asyncio.Future[None] = loop.create_future()

    # --- The client's socket ---------------------------------------------------------------------------

    def send(self, data: bytes, *, is_text: bool) -> None:
        if self._closing is None:
            self._up.send(Item("data", data.decode() if is_text else data, len(data)))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closing is None:
            self._closing = ConnectionClosed(code, reason)
            self._up.send(Item("close", self._closing))

    def abort(self) -> None:
        self._up.send(Item("reset"))
        self._loop.call_soon(self._end, ConnectionClosed(1006, "aborted"))

    async def wait_closed(self) -> None:
        await asyncio.shield(self._ended)

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._loop.call_soon(self._read)

    # --- The network's ---------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        return self._ended.done()

    def arrived(self, item: Item) -> None:
        """From the server: read when the client reads, but a reset is seen at once."""
        if item.kind == "reset":
            self._end(ConnectionClosed(1006, "reset"))
            return
        self._inbox.append(item)
        self._read()

    def stall(self, seconds: float) -> None:
        """For so long the client's process does not run as far as this socket goes."""
        self._stalled_until = self._loop.time() + seconds
        self._loop.call_at(self._stalled_until, self._read)

    def _read(self) -> None:
        while self._inbox and self._is_reading and not self.is_over:
            if self._loop.time() < self._stalled_until:
                return
            item = self._inbox.popleft()
            if not self._up.is_broken:
                self._taken(item.size)
            if item.kind == "data":
                try:
                    found, self._rest = take_frames(self._rest + item.content)
                except UnicodeDecodeError:
                    self.close(1007, "text is not UTF-8")
                    self._end(ConnectionClosed(1007, "text is not UTF-8"))
                    return
                for message in found:
                    if self._closing is None and not self.is_over:
                        self._on_message(message)
            elif item.kind == "ping":
                self._up.send(Item("pong"))
            else:
                self._up.send(Item("close", item.content))
                self._end(item.content)

    def _end(self, reason: ConnectionClosed) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
            self._on_closed(self._closing or reason)
