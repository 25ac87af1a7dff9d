"""A network in memory: links with delay, that break, stall, and swallow what goes over them. Seeded, no sockets.

A `Network` joins clients to one server at a time: give its `dial` to `hubbub.connect`, and its `accept` what makes
of a transport who talks over it (`app.server.attach`). Everything goes by the running loop's time.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from hubbub.errors import ConnectionClosed
from hubbub.server.listener import Talk
from hubbub.testing.transport import take_frames

WINDOW = 64 * 1024
"""Bytes under way to a client that does not read: what two kernels' socket buffers hold. As many unsent are where a
transport tells to stop, and a quarter of them where it tells to go on: as asyncio's."""

_PARTLY = 0.2
"""How often a socket that takes in part does so."""

_CLOSE_TIMEOUT = 3.0

_THAWING = 1e-4
"""Seconds between two items of a link that was frozen."""


class _Item(NamedTuple):
    """What travels: `data`, `ping`, `pong`, `close` or `reset`, with its content and size in bytes."""

    kind: str
    content: Any = None
    size: int = 16


class _Pipe:
    """One direction of a link: in order, each item after a delay of its own. Broken, it swallows everything."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rng: random.Random, delay: float) -> None:
        self._loop = loop
        self._rng = rng
        self.delay = delay
        self.is_broken = False
        self._last = 0.0
        self._frozen: deque[_Item] | None = None
        self.arrived: Callable[[_Item], None]

    def send(self, item: _Item) -> None:
        due = self._loop.time() + self.delay * (0.5 + self._rng.random())
        # Nothing overtakes; the smallest step keeps items apart that would come at one time.
        self._last = max(due, self._last + 1e-9)
        self._loop.call_at(self._last, self._arrive, item)

    def freeze(self, seconds: float) -> None:
        """For so long nothing arrives; then all of it does, in order."""
        if self._frozen is None:
            self._frozen = deque()
            self._loop.call_later(seconds, self._thaw)

    def _arrive(self, item: _Item) -> None:
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


class ServerEnd:
    """Implements `hubbub.ports.Transport`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        down: _Pipe,
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
        self._unsent: deque[_Item] = deque()
        self._buffered = 0
        self._under_way = 0
        self._is_closing = False
        self.is_closed = False
        self._is_paused = False
        self._held: deque[_Item] | None = None
        self._timeout: asyncio.TimerHandle | None = None

    # --- The port --------------------------------------------------------------------------------------

    def write(self, frames: bytes, /) -> None:
        self._put(_Item("data", frames, len(frames)))

    def send(self, frames: bytes) -> int:
        if self._chance is not None and self._chance.random() < _PARTLY:
            part = self._chance.randrange(len(frames))
            if not part:
                raise BlockingIOError
            frames = frames[:part]
        self.write(frames)
        return len(frames)

    def ping(self, payload: bytes) -> None:
        self._put(_Item("ping"))

    def close(self, code: int, reason: str = "") -> None:
        if not self._is_closing:
            self._put(_Item("close", ConnectionClosed(code, reason)))
            self._is_closing = True
            self._timeout = self._loop.call_later(_CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        self._is_closing = True
        if not self.is_closed:
            self._down.send(_Item("reset"))
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

    def arrived(self, item: _Item) -> None:
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
                self._down.send(_Item("close", item.content))
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

    def _put(self, item: _Item) -> None:
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
        up: _Pipe,
        taken: Callable[[int], None],
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
    ) -> None:
        self._loop = loop
        self._up = up
        self._taken = taken
        self._on_message = on_message
        self._on_closed = on_closed
        self._inbox: deque[_Item] = deque()
        self._rest = b""
        """What came of a frame that has not come to its end."""
        self._is_reading = True
        self._stalled_until = 0.0
        self._closing: ConnectionClosed | None = None
        self._ended: asyncio.Future[None] = loop.create_future()

    # --- The client's socket ---------------------------------------------------------------------------

    def send(self, data: bytes, *, is_text: bool) -> None:
        if self._closing is None:
            self._up.send(_Item("data", data.decode() if is_text else data, len(data)))

    def close(self, code: int = 1000, reason: str = "") -> None:
        if self._closing is None:
            self._closing = ConnectionClosed(code, reason)
            self._up.send(_Item("close", self._closing))

    def abort(self) -> None:
        self._up.send(_Item("reset"))
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

    def arrived(self, item: _Item) -> None:
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
                self._up.send(_Item("pong"))
            else:
                self._up.send(_Item("close", item.content))
                self._end(item.content)

    def _end(self, reason: ConnectionClosed) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
            self._on_closed(self._closing or reason)


class Link:
    """One connection, and what can become of it."""

    def __init__(self, client: ClientEnd, server: ServerEnd, up: _Pipe, down: _Pipe) -> None:
        self.client = client
        self.server = server
        self._up = up
        self._down = down

    @property
    def is_over(self) -> bool:
        return self.client.is_over and self.server.is_closed

    def cut(self) -> None:
        """Both sides see a reset at once; what was under way is lost."""
        self._up.is_broken = self._down.is_broken = True
        self.client.arrived(_Item("reset"))
        self.server.arrived(_Item("reset"))

    def swallow(self, *, up: bool = True, down: bool = True) -> None:
        """Half open: from now on nothing arrives any more, in one direction or both, and nobody is told."""
        self._up.is_broken = self._up.is_broken or up
        self._down.is_broken = self._down.is_broken or down

    def freeze(self, seconds: float) -> None:
        """For so long nothing arrives on either side; then everything does, whoever still waits for it."""
        self._up.freeze(seconds)
        self._down.freeze(seconds)

    def slow_down(self, delay: float) -> None:
        """The delay of a way, in seconds, from now on."""
        self._up.delay = self._down.delay = delay

    def stall(self, seconds: float) -> None:
        """The client does not read."""
        self.client.stall(seconds)


class Network:
    """Between clients and a server. Each link's delays come from a seed of its own, whatever the others do."""

    def __init__(self, seed: int = 0, *, delay: float = 0.01, window: int = WINDOW, partly: bool = False) -> None:
        """`delay` in seconds is the mean of one way; each item takes between half of it and half as much again.

        `window` is in bytes. `partly`: sockets take a part of what they are sent now and then.
        """
        self._loop = asyncio.get_running_loop()
        self._seed = seed
        self.delay = delay
        self._window = window
        self._partly = partly
        self.accept: Callable[..., Talk] | None = None
        """`accept(transport, codec=…, token=…)`; None: nobody listens."""
        self.refuses_until = 0.0
        self.links: list[Link] = []
        self._opened = 0
        self._freezes_next = 0.0

    def refuse(self, seconds: float) -> None:
        """Nobody can connect for so long."""
        self.refuses_until = self._loop.time() + seconds

    def freeze_next(self, seconds: float) -> None:
        """The next link that is opened is frozen from its beginning, for so long."""
        self._freezes_next = seconds

    def alive(self) -> list[Link]:
        """The links that are not over on both sides."""
        self.links = [link for link in self.links if not link.is_over]
        return self.links

    async def dial(
        self,
        url: str,
        *,
        subprotocol: str,
        token: str | None,
        compression: bool,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
    ) -> ClientEnd:
        """Opens a link, as `hubbub.connect(dial=...)` wants it. Raises `ConnectionRefusedError`."""
        self._opened += 1
        number = self._opened
        rng = random.Random(f"{self._seed}/{number}")
        # The delay is read when it is time: it may have changed.
        await asyncio.sleep(self.delay * 2)
        if self.accept is None or self._loop.time() < self.refuses_until:
            raise ConnectionRefusedError("nobody listens")
        up, down = _Pipe(self._loop, rng, self.delay), _Pipe(self._loop, rng, self.delay)
        chance = random.Random(f"part/{self._seed}/{number}") if self._partly else None
        server = ServerEnd(self._loop, down, f"10.0.0.{number % 250}", self._window, chance)
        client = ClientEnd(self._loop, up, server.taken, on_message, on_closed)
        up.arrived, down.arrived = server.arrived, client.arrived
        server.talk = self.accept(server, codec=subprotocol.removeprefix("hubbub."), token=token)
        self.links.append(Link(client, server, up, down))
        if self._freezes_next:
            self.links[-1].freeze(self._freezes_next)
            self._freezes_next = 0.0
        return client
