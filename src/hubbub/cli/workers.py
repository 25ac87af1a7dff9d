"""`hubbub serve --workers N`: processes on one port, joined by a broker in this one."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from inspect import isawaitable
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from hubbub.app.stores import open_stores
from hubbub.backends.broker.broker import Broker
from hubbub.backends.broker.desk import Stores
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.presence import MemoryPresence
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.config import Settings
from hubbub.config.stores import scheme_of
from hubbub.delivery.backoff import Backoff
from hubbub.errors import ConfigurationError, HubbubError
from hubbub.hub.hub import wall_ms
from hubbub.ports import DocumentLog
from hubbub.server.server import url_of

log = logging.getLogger("hubbub.workers")

READY = b"ready"
"""The line by which a worker says that it listens."""

_STEADY = 30.0
"""Seconds that a worker has to live for its next start to come as soon as its first."""

_LATE = 10.0
"""Seconds, beyond those that a drain may take, after which a worker that does not stop is killed."""


class Orders(Struct, frozen=True):
    """What a worker is told on its standard input, where nobody else can read it."""

    settings: Settings
    verbose: bool


class Workers:
    """Starts the workers, starts them again when they die, and stops them. `run` once."""

    def __init__(self, settings: Settings, count: int, *, verbose: bool = False) -> None:
        self._settings = settings
        self._count = count
        self._verbose = verbose
        self._stopping = asyncio.Event()
        self._processes: dict[str, Process] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self._failed: str | None = None

    async def run(self, started: Callable[[str], None]) -> None:
        """Serves until SIGTERM or Ctrl-C, then drains. `started` is called with the URL once all workers listen.

        Raises `HubbubError` when they cannot.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        with _reserved_port(self._settings.host, self._settings.port) as port:
            async with _shared(self._settings) as settings:
                await self._serve(settings, port, started)
        if self._failed is not None:
            raise HubbubError(self._failed)

    async def _serve(self, shared: Settings, port: int, started: Callable[[str], None]) -> None:
        common = msgspec.structs.replace(shared, port=port, reuse_port=True)
        names = [f"{self._settings.node_name}-{number + 1}" for number in range(self._count)]
        self._ready = {name: asyncio.Event() for name in names}
        tasks = [
            asyncio.create_task(self._keep(name, _with_own_port(common, number))) for number, name in enumerate(names)
        ]
        listening = asyncio.create_task(self._all_ready())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((listening, stopping), return_when=asyncio.FIRST_COMPLETED)
        if listening.done():
            started(url_of(self._settings.host, port))
        listening.cancel()
        await stopping
        await self._stop(tasks)

    async def _all_ready(self) -> None:
        for event in self._ready.values():
            await event.wait()

    async def _keep(self, name: str, common: Settings) -> None:
        """Runs a worker, again and again; each time it is another node, since the one before is missed for a while."""
        starts = 0
        backoff = Backoff(random.Random(), initial=0.5, maximum=10.0)  # noqa: S311
        while not self._stopping.is_set():
            began = time.monotonic()
            settings = msgspec.structs.replace(common, node=f"{name}.{starts}" if starts else name)
            status = await self._run_one(name, msgspec.json.encode(Orders(settings, self._verbose)))
            starts += 1
            if self._stopping.is_set():
                return
            if not self._ready[name].is_set():
                # It has said why. One that has served is started again whatever it died of.
                self._fail(f"worker {name} cannot be started")
                return
            log.error("worker %s ended with %s: it is started again", name, status)
            if time.monotonic() - began > _STEADY:
                backoff.reset()
            await self._pause(backoff.next())

    async def _run_one(self, name: str, orders: bytes) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hubbub.cli.worker", stdin=PIPE, stdout=PIPE
        )
        self._processes[name] = process
        if self._stopping.is_set():
            process.terminate()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(orders + b"\n")
        try:
            async for line in process.stdout:
                if line.strip() == READY:
                    self._ready[name].set()
                    log.info("worker %s listens", name)
                else:
                    sys.stdout.write(line.decode(errors="replace"))
            return await process.wait()
        finally:
            del self._processes[name]
            process.stdin.close()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _fail(self, reason: str) -> None:
        self._failed = self._failed or reason
        self._stopping.set()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        for process in self._processes.values():
            process.terminate()
        settings = self._settings
        patience = settings.drain_over + settings.migration_timeout + settings.drain_timeout + _LATE
        _, late = await asyncio.wait(tasks, timeout=patience)
        if late:
            for name, process in self._processes.items():
                log.error("worker %s does not stop: killed", name)
                process.kill()
            await asyncio.wait(late)
        for task in tasks:
            task.result()


def _with_own_port(common: Settings, number: int) -> Settings:
    """The workers' own ports are one after the other."""
    if not common.own_port:
        return common
    return msgspec.structs.replace(common, own_port=common.own_port + number)


@contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """The port, which nobody else can have meanwhile but who shares it knowingly. Raises `ConfigurationError`."""
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigurationError("workers", "this system cannot share a port between processes: leave it at 1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe, socket.socket(family) as held:
        try:
            # Sharing is for these workers: another server that shares would go unnoticed.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = probe.getsockname()[1]
            probe.close()
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                "port", f"cannot listen on {host}:{port}: {error.strerror}; choose another"
            ) from None
        yield port


@asynccontextmanager
async def _shared(settings: Settings) -> AsyncIterator[Settings]:
    """The workers' settings: where no server joins them, a broker in this process does.

    Its socket is in a folder that is its user's alone. Logs, sessions and rooms are where the settings say.
    """
    if settings.backend:
        yield settings
        return
    if scheme_of(settings.log_url) not in {"memory", "sqlite"}:
        raise ConfigurationError("workers", "with a log on a server set `backend`, too: it is what joins the workers")
    opened = open_stores(settings, time.monotonic, wall_ms)
    await opened.connect()
    stores = Stores(
        cast(DocumentLog, opened.log),
        opened.sessions or MemorySessions(),
        opened.directory or MemoryDirectory(),
        opened.snapshots or MemorySnapshots(),
        MemoryPresence(),
        MemoryRegistry(),
    )
    broker = Broker(stores)
    with tempfile.TemporaryDirectory(prefix="hubbub-") as folder:
        path = Path(folder) / "broker"
        await broker.start(path)
        try:
            yield msgspec.structs.replace(settings, backend=f"broker:{path}", log="", sessions="", registry="")
        finally:
            await broker.stop()
            for store in (stores.sessions, stores.directory, stores.snapshots, stores.log):
                closed = store.close()
                if isawaitable(closed):
                    await closed
            await opened.close()
