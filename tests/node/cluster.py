"""Several nodes in one process, on shared stores in memory and virtual time, each behind a network of its own."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hubbub import Client, Hubbub, connect
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.mailbox import MemoryExchange, MemoryMailbox
from hubbub.backends.memory.presence import MemoryPresence
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.client.options import ClientSocket
from hubbub.hub.connection import Connection
from hubbub.hub.session import Session
from hubbub.server.listener import Talk
from hubbub.testing.ends import ServerEnd
from hubbub.testing.network import Network


class LateSessions:
    """Answers as a store beyond a network does: later. `delay` in seconds; `is_away` and nothing can be had."""

    def __init__(self, wall: Any) -> None:
        self.kept = MemorySessions(wall=wall)
        self.delay = 0.001
        self.is_away = False
        self.saves = 0

    async def _answer(self, work: Any, *given: Any) -> Any:
        await asyncio.sleep(self.delay)
        if self.is_away:
            raise ConnectionError("the store is away")
        return work(*given)

    async def save(self, record: Any) -> bool:
        self.saves += 1
        return bool(await self._answer(self.kept.save, record))

    async def load(self, digest: str) -> Any:
        return await self._answer(self.kept.load, digest)

    async def delete(self, digest: str) -> None:
        await self._answer(self.kept.delete, digest)

    async def of_user(self, user: str) -> Any:
        return await self._answer(self.kept.of_user, user)

    async def of_connection(self, connection: str) -> Any:
        return await self._answer(self.kept.of_connection, connection)

    async def close(self) -> None: ...


class Cluster:
    """Needs a running `VirtualLoop`. Clients reach node `n1` at ws://n1/ws, and are told so."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        clock = asyncio.get_running_loop().time
        self.log = SharedMemoryLog(MemoryLog(clock=clock))
        self.sessions = LateSessions(lambda: self.wall_ms() / 1000)
        self.directory = MemoryDirectory()
        self.presence = MemoryPresence()
        self.registry = MemoryRegistry(clock=clock)
        self.exchange = MemoryExchange()
        self.nodes: dict[str, Hubbub] = {}
        self.networks: dict[str, Network] = {}

    def wall_ms(self) -> int:
        return 1_700_000_000_000 + int(asyncio.get_running_loop().time() * 1000)

    def make(self, name: str, **settings: Any) -> Hubbub:
        settings.setdefault("advertise", f"ws://{name}/ws")
        return Hubbub(
            anonymous=True,
            node=name,
            log=self.log,
            sessions=self.sessions,
            directory=self.directory,
            presence=self.presence,
            registry=self.registry,
            mailbox=MemoryMailbox(self.exchange),
            clock=asyncio.get_running_loop().time,
            wall=self.wall_ms,
            **settings,
        )

    async def start(self, *names: str, **settings: Any) -> None:
        for name in names:
            app = self.make(name, **settings)
            await app.start(listen=False)
            self.nodes[name] = app
            network = self.networks[name] = Network(f"{self._seed}/{name}")  # type: ignore[arg-type]

            def accept(transport: ServerEnd, *, codec: str, token: str | None, app: Hubbub = app) -> Talk:
                return app.server.attach(transport, codec=codec, token=token)

            network.accept = accept
        # Everyone sees everyone.
        for app in self.nodes.values():
            assert app.server.node.cluster is not None
            await app.server.node.cluster.members.announce()

    async def stop(self, name: str) -> None:
        """As by SIGTERM: nobody new is let in."""
        await self.nodes.pop(name).stop()

    def kill(self, name: str) -> None:
        """As by `kill -9`."""
        self.nodes.pop(name).server.node.kill()
        network = self.networks[name]
        network.accept = None
        for link in network.alive():
            link.server.vanish()
            link.cut()

    async def dial(self, url: str, **how: Any) -> ClientSocket:
        name = url.removeprefix("ws://").removesuffix("/ws")
        if name not in self.networks:
            raise ConnectionRefusedError(f"there is no {name}")
        return await self.networks[name].dial(url, **how)

    async def connect(self, user: str, node: str, **options: Any) -> Client:
        given = {"user": user, "rng": random.Random(f"{self._seed}/{user}"), "wall": self.wall_ms, **options}
        return await connect(f"ws://{node}/ws", dial=self.dial, **given)

    def session(self, user: str, node: str) -> Session | None:
        """The user's session at this node, None when it has none."""
        found = list(self.nodes[node].hub.groups.sessions_of(user))
        assert len(found) <= 1
        return found[0] if found else None

    def connection(self, user: str, node: str) -> Connection:
        session = self.session(user, node)
        assert session is not None
        assert session.connection is not None
        return session.connection

    def where(self, user: str) -> list[str]:
        """The nodes that have a session of this user."""
        return [name for name in self.nodes if self.session(user, name) is not None]
