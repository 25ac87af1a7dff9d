"""A network in memory: links with delay, that break, stall, and swallow what goes over them. Seeded, no sockets.

A `Network` joins clients to one server at a time: give its `dial` to `hubbub.connect`, and its `accept` what makes
of a transport who talks over it (`app.server.attach`). Everything goes by the running loop's time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from hubbub.errors import ConnectionClosed
from hubbub.server.listener import Talk
from hubbub.testing.ends import WINDOW, ClientEnd, ServerEnd
from hubbub.testing.pipe import Item, Pipe


class Link:
    """One connection, and what can become of it."""

    def __init__(self, client: ClientEnd, server: ServerEnd, up: Pipe, down: Pipe) -> None:
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
        self.client.arrived(Item("reset"))
        self.server.arrived(Item("reset"))

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
        up, down = Pipe(self._loop, rng, self.delay), Pipe(self._loop, rng, self.delay)
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
