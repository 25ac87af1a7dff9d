"""Several nodes with their clients in one process: real hubs, on virtual time, over stores that they share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from hubbub.app.application import Hubbub
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.backends.memory.presence import MemoryPresence
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.client.client import Client
from hubbub.client.connecting import connect
from hubbub.client.options import ClientSocket
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import SharedLog
from hubbub.server.listener import Talk
from hubbub.testing.backend import Line, LineLog
from hubbub.testing.ends import ServerEnd
from hubbub.testing.network import Network
from hubbub.testing.stores import LineDirectory, LineMailbox, LinePresence, LineRegistry, LineSessions, LineSnapshots
from hubbub.testing.world import MakeApp

_EPOCH_MS = 1_700_000_000_000


class Backend:
    """What the nodes share."""

    def __init__(self, *, retention: RetentionPolicy | None = None, wall: Callable[[], int] | None = None) -> None:
        clock = asyncio.get_running_loop().time
        wall = wall or wall_ms
        self.records = MemoryLog(retention=retention, clock=clock)
        self.log: SharedLog = SharedMemoryLog(self.records)
        self.sessions = MemorySessions(wall=lambda: wall() / 1000)
        self.directory = MemoryDirectory()
        self.presence = MemoryPresence()
        self.registry = MemoryRegistry(clock=clock)
        self.exchange = MemoryExchange()
        self.snapshots = MemorySnapshots()


class ClusterNode:
    """One node: its application, its clients' network, and its line to the backend."""

    def __init__(
        self,
        name: str,
        backend: Backend,
        make_app: MakeApp,
        seed: str,
        delay: float,
        wall: Callable[[], int] | None = None,
    ) -> None:
        self.name = name
        self._wall = wall or wall_ms
        self._backend = backend
        self._make_app = make_app
        self.network = Network(random.Random(f"{seed}/{name}").getrandbits(32), delay=delay)
        self._rng = random.Random(f"line/{seed}/{name}")
        self._delay = delay
        self.line: Line
        self.log: LineLog
        self.app: Hubbub | None = None

    async def start(self) -> Hubbub:
        """A process of the node begins."""
        backend = self._backend
        line = self.line = Line(self._rng, delay=self._delay / 10)
        self.log = LineLog(line, backend.log, self._rng)
        app = self.app = self._make_app(
            node=self.name,
            advertise=f"ws://{self.name}/ws",
            log=self.log,
            sessions=LineSessions(line, backend.sessions),
            directory=LineDirectory(line, backend.directory),
            presence=LinePresence(line, backend.presence),
            registry=LineRegistry(line, backend.registry),
            mailbox=LineMailbox(line, MemoryMailbox(backend.exchange)),
            snapshots=LineSnapshots(line, backend.snapshots),
            clock=asyncio.get_running_loop().time,
            wall=self._wall,
        )
        await app.start(listen=False)

        def accept(transport: ServerEnd, *, codec: str, token: str | None) -> Talk:
            return app.server.attach(transport, codec=codec, token=token)

        self.network.accept = accept
        return app

    async def stop(self) -> None:
        """In good order, as by SIGTERM."""
        self.network.accept = None
        if self.app is not None:
            app, self.app = self.app, None
            await app.stop()

    def crash(self, *, silently: bool = False) -> None:
        """As by `kill -9`; `silently`, as when the power fails, no client sees a reset."""
        self.network.accept = None
        if self.app is None:
            return
        self.line.is_over = True
        self.log.close()
        self.app.server.node.kill()
        for link in self.network.alive():
            link.server.vanish()
            if silently:
                link.swallow()
            else:
                link.cut()
        self.app = None

    def cut_off(self) -> None:
        """The backend cannot be reached any more; the clients are not concerned."""
        self.log.cut()

    def mend(self) -> None:
        """The backend can be reached again."""
        self.log.mend()


class Cluster:
    """Needs a running `VirtualLoop`: `hubbub.testing.loop.virtual` gives a test one. Nothing has to be closed."""

    def __init__(self, seed: int = 0, *, delay: float = 0.01, retention: RetentionPolicy | None = None) -> None:
        """`delay` is the mean of one way to a client, in seconds; one to the backend takes a tenth of it."""
        self._seed = seed
        self._delay = delay
        self.backend = Backend(retention=retention)
        self.nodes: dict[str, ClusterNode] = {}

    async def start(self, *names: str, make_app: MakeApp | None = None) -> None:
        """Starts these nodes, each with what `make_app` makes; without it one that lets everyone in."""
        for name in names:
            node = ClusterNode(name, self.backend, make_app or _open_hub, str(self._seed), self._delay)
            self.nodes[name] = node
            await node.start()

    def app(self, name: str) -> Hubbub:
        """The application of a node that runs."""
        app = self.nodes[name].app
        assert app is not None
        return app

    async def connect(self, user: str, *nodes: str, **options: Any) -> Client:
        """A client of the first of these nodes that can be had, and of the next one when that is gone.

        One that is sent to a node goes to that one.
        """

        async def dial(url: str, **how: Any) -> ClientSocket:
            sent_to = self.nodes.get(str(urlsplit(url).hostname))
            if sent_to is not None:
                return await sent_to.network.dial(url, **how)
            for place, name in enumerate(nodes):
                try:
                    return await self.nodes[name].network.dial(url, **how)
                except ConnectionRefusedError:
                    if place == len(nodes) - 1:
                        raise
            raise AssertionError("a client needs a node")

        given = {"user": user, "rng": random.Random(f"{self._seed}/{user}"), "wall": wall_ms, **options}
        return await connect("ws://cluster.test/ws", dial=dial, **given)


def wall_ms() -> int:
    """The wall clock of the virtual loop, in milliseconds since 1970."""
    return _EPOCH_MS + int(asyncio.get_running_loop().time() * 1000)


def _open_hub(**given: Any) -> Hubbub:
    return Hubbub(anonymous=True, **given)
