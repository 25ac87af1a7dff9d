"""A hub with documents, and those who edit them, on virtual time over a network that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hubbub import Hubbub
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.collab import Document, Documents
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Appended, DocumentLog, Page, Refused
from hubbub.protocol.payloads import Position
from hubbub.testing.world import World

EVERYTHING = RetentionPolicy(Retention(messages=2**62, size=2**62, age=2**62))


class Disk:
    """A log that takes its time, and that a process loses hold of when it dies: what it was given last is then lost.

    `delay` is how long an append takes, in seconds; with `refuses` all of them fail.
    """

    conditional = True

    def __init__(self, inner: DocumentLog, delay: float) -> None:
        self.inner = inner
        self.delay = delay
        self.refuses = False
        self.is_plugged = True

    def append(self, batch: Sequence[Append]) -> Awaitable[Sequence[Appended | Refused]]:
        return self._append(list(batch))

    async def _append(self, batch: list[Append]) -> Sequence[Appended | Refused]:
        await asyncio.sleep(self.delay)
        if not self.is_plugged or self.refuses:
            return [Refused("unavailable", "the disk fails")] * len(batch)
        result: Any = self.inner.append(batch)
        return list(result)

    def read(self, log: str, **how: Any) -> Page | Awaitable[Page]:
        return self.inner.read(log, **how)

    def head(self, log: str) -> Position | Awaitable[Position]:
        return self.inner.head(log)

    def trim(self, log: str, upto: int) -> Awaitable[None] | None:
        return self.inner.trim(log, upto) if self.is_plugged else None

    def forget(self, session: str) -> None:
        self.inner.forget(session)

    def close(self) -> None:
        """It is not this process's alone."""


class DocumentWorld(World):
    """What is on the disk survives a crash."""

    def __init__(self, seed: int = 0, *, delay: float = 0.01, disk_delay: float = 0.002, **options: Any) -> None:
        super().__init__(seed, delay=delay)
        self.options = options
        self.disk_delay = disk_delay
        self.disk: Disk
        self.documents: Documents

    async def begin(self) -> Hubbub:
        """Starts the hub."""
        clock = asyncio.get_running_loop().time
        self._stores = (
            MemoryLog(retention=EVERYTHING, clock=clock),
            MemorySessions(wall=lambda: self.wall_ms() / 1000),
            MemoryDirectory(),
            MemorySnapshots(),
        )
        return await self.start(self._make)

    async def open(self, name: str, id: str = "d", **how: Any) -> Document:
        """A client, and the document as it has it."""
        client = await self.connect(name, **how)
        document = Document(client, id)
        await document.opened()
        return document

    async def fail(self, *, downtime: float = 0.0) -> Hubbub:
        """The hub's process dies, with everything that was not on the disk, and another one begins."""
        self.disk.is_plugged = False
        return await self.crash(downtime=downtime)

    def _make(self, **given: Any) -> Hubbub:
        log, sessions, directory, snapshots = self._stores
        self.disk = Disk(log, self.disk_delay)
        given.update(log=self.disk, sessions=sessions, directory=directory, snapshots=snapshots)
        app = Hubbub(anonymous=True, **given)
        self.documents = Documents(app, **self.options)
        return app


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for it, on virtual time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
