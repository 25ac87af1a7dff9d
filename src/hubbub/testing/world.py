"""A hub and its clients for the tests of an application: real both, on virtual time, over a network in memory."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Protocol

from hubbub.app.application import Hubbub
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.client.client import Client
from hubbub.client.connecting import connect
from hubbub.client.options import ClientSocket
from hubbub.server.listener import Talk
from hubbub.testing.ends import ServerEnd
from hubbub.testing.network import Link, Network
from hubbub.testing.simulation.witness import Truth, WitnessedLog

URL = "ws://hubbub.test/ws"

_EPOCH_MS = 1_700_000_000_000


class MakeApp(Protocol):
    """Makes the application under test, whole; what it is given is for `hubbub.Hubbub`."""

    def __call__(self, **given: Any) -> Hubbub: ...


class World:
    """Needs a running `VirtualLoop` from `start` on: the decorator `hubbub.testing.loop.virtual` gives a test one.

    Faults are for the connections that a client has, by the name it was given to `connect`. Nothing has to be
    closed: it all ends with the loop.
    """

    def __init__(self, seed: int = 0, *, delay: float = 0.01) -> None:
        """`delay` is the mean of one way over the network, in seconds; by chance, and that by the seed."""
        self._seed = seed
        self._delay = delay
        self._links: dict[str, list[Link]] = {}
        self._kept: tuple[MemoryLog, MemorySessions, MemoryDirectory] | None = None
        self._log: WitnessedLog | None = None
        self._make_app: MakeApp
        self.network: Network
        self.app: Hubbub
        self.wall_shift = 0.0
        """Seconds by which the wall clock is ahead of the time that passes: change it, and it jumps."""

    async def start(self, make_app: MakeApp | None = None, *, survives: bool = False) -> Hubbub:
        """Starts what `make_app` makes; without it a hub that lets everyone in.

        `survives`: whether logs and sessions outlive a crash, as if they were on a disk.
        """
        self._make_app = make_app or _open_hub
        self.network = Network(self._seed, delay=self._delay)
        if survives:
            clock = asyncio.get_running_loop().time
            self._kept = MemoryLog(clock=clock), MemorySessions(wall=lambda: self.wall_ms() / 1000), MemoryDirectory()
        return await self._begin()

    async def connect(self, name: str, **options: Any) -> Client:
        """A client whose user is `name`; `options` as for `hubbub.connect`."""

        async def dial(url: str, **how: Any) -> ClientSocket:
            before = set(map(id, self.network.links))
            socket = await self.network.dial(url, **how)
            new = [link for link in self.network.links if id(link) not in before and link.client is socket]
            self._links.setdefault(name, []).extend(new)
            return socket

        given = {"user": name, "rng": random.Random(f"{self._seed}/{name}"), "wall": self.wall_ms, **options}
        return await connect(URL, dial=dial, **given)

    # --- Faults ----------------------------------------------------------------------------------------

    def cut(self, name: str) -> None:
        """Both sides see the connection end; what was under way is lost. The client comes back by itself."""
        for link in self._alive(name):
            link.cut()

    def swallow(self, name: str, *, up: bool = True, down: bool = True) -> None:
        """Half open: nothing arrives any more, to the hub (`up`), to the client (`down`), and nobody is told."""
        for link in self._alive(name):
            link.swallow(up=up, down=down)

    def freeze(self, name: str, seconds: float) -> None:
        """For so long nothing arrives on either side; then everything does, whoever still waits for it."""
        for link in self._alive(name):
            link.freeze(seconds)

    def stall(self, name: str, seconds: float) -> None:
        """The client does not read for so long."""
        for link in self._alive(name):
            link.stall(seconds)

    def slow_down(self, name: str, delay: float) -> None:
        """One way takes about so many seconds from now on."""
        for link in self._alive(name):
            link.slow_down(delay)

    def refuse(self, seconds: float) -> None:
        """Nobody can connect for so long."""
        self.network.refuse(seconds)

    async def restart(self, *, downtime: float = 0.0) -> Hubbub:
        """The hub stops in good order and begins anew, `downtime` seconds later; returns the new application."""
        self.network.accept = None
        await self.app.stop()
        await asyncio.sleep(downtime)
        return await self._begin()

    async def crash(self, *, downtime: float = 0.0) -> Hubbub:
        """The hub's process dies and another one begins, `downtime` seconds later; returns the new application."""
        self.network.accept = None
        if self._log is not None:
            self._log.unplug()
        self.app.server.node.kill()
        for link in self.network.alive():
            link.server.vanish()
            link.cut()
        await asyncio.sleep(downtime)
        return await self._begin()

    # --- Inside ----------------------------------------------------------------------------------------

    def wall_ms(self) -> int:
        """The wall clock, in milliseconds since 1970."""
        return _EPOCH_MS + int((asyncio.get_running_loop().time() + self.wall_shift) * 1000)

    async def _begin(self) -> Hubbub:
        given: dict[str, Any] = {"clock": asyncio.get_running_loop().time, "wall": self.wall_ms}
        if self._kept is not None:
            log, sessions, directory = self._kept
            self._log = WitnessedLog(log, Truth())
            given.update(log=self._log, sessions=sessions, directory=directory)
        app = self.app = self._make_app(**given)
        await app.start(listen=False)

        def accept(transport: ServerEnd, *, codec: str, token: str | None) -> Talk:
            return app.server.attach(transport, codec=codec, token=token)

        self.network.accept = accept
        return app

    def _alive(self, name: str) -> list[Link]:
        """The client's connections. Raises `KeyError` for a name that never connected."""
        self._links[name] = [link for link in self._links[name] if not link.is_over]
        return self._links[name]


def _open_hub(**given: Any) -> Hubbub:
    return Hubbub(anonymous=True, **given)
