"""The simulated server: an application on stores that may survive it, started, stopped and crashed at will."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from hubbub.app.application import Hubbub
from hubbub.app.stores import retention_of
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.sqlite.storage import open_storage
from hubbub.config import Settings
from hubbub.ports import Directory, Log, Sessions
from hubbub.server.listener import Talk
from hubbub.testing.network import Network, ServerEnd
from hubbub.testing.simulation.witness import Truth, WitnessedLog

Storage = Literal["memory", "kept", "sqlite"]
"""What a crash leaves: nothing, everything (as a disk that never loses), or a real SQLite file."""


class SimulatedServer:
    """One server behind a network. `wall` in milliseconds since 1970."""

    def __init__(
        self, network: Network, settings: Settings, storage: Storage, truth: Truth, wall: Callable[[], int]
    ) -> None:
        self._network = network
        self._settings = settings
        self._storage = storage
        self._truth = truth
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-") if storage == "sqlite" else None
        self._kept: tuple[Log, Sessions, Directory] | None = None
        self._log: WitnessedLog
        self._opened: Any = None
        self.app: Hubbub | None = None

    async def start(self) -> None:
        log, sessions, directory = self._stores()
        self._log = WitnessedLog(log, self._truth)
        self.app = Hubbub(
            self._settings,
            log=self._log,
            sessions=sessions,
            directory=directory,
            clock=self._loop.time,
            wall=self._wall,
        )
        await self.app.start(listen=False)
        self._network.accept = self._accept

    async def stop(self) -> None:
        """As by SIGTERM."""
        self._network.accept = None
        if self.app is not None:
            app, self.app = self.app, None
            await app.stop()

    def crash(self, *, silently: bool = False) -> None:
        """As by `kill -9`: what was not in the log is gone. `silently`: as the power fails, no client sees a reset."""
        self._network.accept = None
        if self.app is None:
            return
        self._log.unplug()
        self.app.server.node.kill()
        for link in self._network.alive():
            link.server.vanish()
            if silently:
                link.swallow()
            else:
                link.cut()
        if self._opened is not None:
            self._opened.log.close()
            self._opened.sessions.close()
            self._opened.directory.close()
            self._opened = None
        self.app = None

    def discard(self) -> None:
        """Leaves nothing behind."""
        if self._folder is not None:
            self._folder.cleanup()

    def _accept(self, transport: ServerEnd, *, codec: str, token: str | None) -> Talk:
        assert self.app is not None
        return self.app.server.attach(transport, codec=codec, token=token)

    def _stores(self) -> tuple[Log, Sessions | None, Directory | None]:
        retention = retention_of(self._settings)
        if self._storage == "memory":
            return MemoryLog(retention=retention, clock=self._loop.time), None, None
        if self._storage == "kept":
            if self._kept is None:
                log = MemoryLog(retention=retention, clock=self._loop.time)
                self._kept = log, MemorySessions(wall=lambda: self._wall() / 1000), MemoryDirectory()
            return self._kept
        assert self._folder is not None
        path = Path(self._folder.name) / "log.db"
        # Without threads, so that everything happens in one order.
        self._opened = open_storage(
            path, inline=True, fsync="off", retention=retention, wall=lambda: self._wall() / 1000, boot=lambda: ""
        )
        return self._opened.log, self._opened.sessions, self._opened.directory
