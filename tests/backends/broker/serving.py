"""A broker in this process, and links to it over a real Unix socket."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from hubbub.backends.broker.broker import Broker
from hubbub.backends.broker.desk import Stores
from hubbub.backends.broker.link import BrokerLink
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.presence import MemoryPresence
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.snapshots import MemorySnapshots


class Serving:
    """`link` makes one more worker's connection; all end with the broker."""

    def __init__(self, broker: Broker, path: Path, stack: AsyncExitStack) -> None:
        self.broker = broker
        self.path = path
        self._stack = stack

    async def link(self, lost: Callable[[], None] = lambda: None) -> BrokerLink:
        link = BrokerLink(lost)
        await link.connect(self.path)
        self._stack.callback(link.close)
        return link


@asynccontextmanager
async def serving(max_unsent: int = 16 * 1024 * 1024, **stores: Any) -> AsyncIterator[Serving]:
    """`stores` by name; what is not given is in memory."""
    given = {
        "log": MemoryLog(),
        "sessions": MemorySessions(),
        "directory": MemoryDirectory(),
        "snapshots": MemorySnapshots(),
        "presence": MemoryPresence(),
        "registry": MemoryRegistry(),
        **stores,
    }
    broker = Broker(Stores(**given), max_unsent=max_unsent)
    # Short: a socket's path has hardly more than a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="hubbub-") as folder:
        path = Path(folder) / "broker"
        await broker.start(path)
        async with AsyncExitStack() as stack:
            yield Serving(broker, path, stack)
        await broker.stop()
