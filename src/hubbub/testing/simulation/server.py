"""The simulated server: an application on stores that may survive it, started, stopped and crashed at will."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from hubbub.app.application import Hubbub
from hubbub.app.stores import retention_of
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.backends.sqlite.storage import SqliteStorage, open_storage
from hubbub.config import Settings
from hubbub.ports import Directory, Log, Page, Sessions, Snapshots
from hubbub.server.listener import Talk
from hubbub.testing.ends import ServerEnd
from hubbub.testing.network import Network
from hubbub.testing.simulation.disk import SlowDirectory, SlowDisk, SlowLog, SlowSessions, SlowSnapshots
from hubbub.testing.simulation.machine import Machine, is_there
from hubbub.testing.simulation.witness import Truth, WitnessedLog

Storage = Literal["memory", "kept", "slow", "sqlite", "power"]
"""What a crash leaves: nothing; everything (as a disk that never loses), also of a disk that takes its time, and then
a part of what was under way; a real SQLite file; or what of such a file was synced, when the power fails."""

_ALL = 1_000_000


class SimulatedServer:
    """One server behind a network. `wall` in milliseconds since 1970."""

    def __init__(
        self,
        network: Network,
        settings: Settings,
        storage: Storage,
        truth: Truth,
        wall: Callable[[], int],
        seed: int,
    ) -> None:
        self._network = network
        self._settings = settings
        self._storage = storage
        self._truth = truth
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._rng = random.Random(f"power/{seed}")
        self._seed = seed
        is_on_disk = storage in ("sqlite", "power")
        self._folder = tempfile.TemporaryDirectory(prefix="hubbub-") if is_on_disk else None
        self._kept: tuple[Log, Sessions, Directory, Snapshots] | None = None
        self._log: WitnessedLog
        self._slow: tuple[SlowDisk, SlowLog] | None = None
        self._opened: SqliteStorage | None = None
        self._machine: Machine | None = None
        self._starts = 0
        self.started: Callable[[Hubbub], None] = lambda app: None
        """Called with each application before it starts."""
        self.app: Hubbub | None = None

    async def start(self) -> None:
        inner, sessions, directory, snapshots = self._stores()
        self._log = WitnessedLog(inner, self._truth)
        log: Log = self._log
        if self._storage == "slow":
            assert sessions is not None
            assert directory is not None
            assert snapshots is not None
            self._starts += 1
            disk = SlowDisk(f"{self._seed}/{self._starts}")
            slow = SlowLog(log, disk)
            self._slow = disk, slow
            log, sessions, directory = slow, SlowSessions(sessions, disk), SlowDirectory(directory, disk)
            snapshots = SlowSnapshots(snapshots, disk)
        self.app = Hubbub(
            self._settings,
            log=log,
            sessions=sessions,
            directory=directory,
            snapshots=snapshots,
            clock=self._loop.time,
            wall=self._wall,
        )
        self.started(self.app)
        await self.app.start(listen=False)
        self._network.accept = self._accept

    async def stop(self) -> None:
        """As by SIGTERM."""
        self._network.accept = None
        if self.app is not None:
            app, self.app = self.app, None
            await app.stop()
            self._opened = None
            if self._machine is not None:
                self._machine.stop(lost_power=False)

    def crash(self, *, silently: bool = False) -> None:
        """As by `kill -9`: what was not in the log is gone. `silently`: as the power fails, no client sees a reset."""
        self._network.accept = None
        if self.app is None:
            return
        if self._slow is not None:
            disk, log = self._slow
            disk.crash()
            log.tear()
        self._log.unplug()
        self.app.server.node.kill()
        for link in self._network.alive():
            link.server.vanish()
            if silently:
                link.swallow()
            else:
                link.cut()
        if self._machine is not None:
            self._machine.stop(lost_power=True)
            if self._opened is not None:
                self._opened.database.abandon()
        elif self._opened is not None:
            for part in (self._opened.log, self._opened.sessions, self._opened.directory, self._opened.snapshots):
                part.close()
        self._opened = None
        self.app = None

    def look(self, log: str) -> Page | None:
        """The log as it is now; None while there is no server."""
        if self.app is None:
            return None
        page = self._log.read(log, limit=_ALL)
        return page if isinstance(page, Page) else None

    def discard(self) -> None:
        """Leaves nothing behind."""
        if self._folder is not None:
            self._folder.cleanup()

    def _accept(self, transport: ServerEnd, *, codec: str, token: str | None) -> Talk:
        assert self.app is not None
        return self.app.server.attach(transport, codec=codec, token=token)

    def _stores(self) -> tuple[Log, Sessions | None, Directory | None, Snapshots | None]:
        retention = retention_of(self._settings)
        memory = self._settings.memory_limit
        if self._storage == "memory":
            return MemoryLog(retention=retention, memory=memory, clock=self._loop.time), None, None, None
        if self._storage in ("kept", "slow"):
            if self._kept is None:
                log = MemoryLog(retention=retention, memory=memory, clock=self._loop.time)
                sessions = MemorySessions(wall=lambda: self._wall() / 1000)
                self._kept = log, sessions, MemoryDirectory(), MemorySnapshots()
            return self._kept
        assert self._folder is not None
        path = Path(self._folder.name) / "log.db"
        # Without threads, so that everything happens in one order.
        options: dict[str, Any] = {"fsync": "off", "boot": lambda: ""}
        if self._storage == "power" and is_there():
            if self._machine is None:
                self._machine = Machine(self._rng)
            options = {"fsync": "full", **self._machine.start()}
        self._opened = open_storage(
            path, inline=True, retention=retention, memory=memory, wall=lambda: self._wall() / 1000, **options
        )
        opened = self._opened
        return opened.log, opened.sessions, opened.directory, opened.snapshots
