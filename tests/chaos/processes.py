"""The hub and the proxy as processes of their own: started, killed, started again."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.servers.ports import free_port

READY_SECONDS = 30.0
STOP_SECONDS = 60.0

# What is missing for the time of a test must not be gone for want of space.
SETTINGS = """
anonymous = true
retention_messages = 1000000
retention_bytes = 1000000000
"""


class HubProcess:
    """`hubbub serve` on one port and one store, over as many lives as it takes."""

    def __init__(self, folder: Path, *options: str, settings: str = "", module: str = "hubbub.cli.main") -> None:
        """`settings` are further lines of its TOML file; `module` is what is run with the words of the command."""
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.said = folder / "hub.log"
        self.lives = 0
        self._options = options
        self._module = module
        self._config = folder / "hubbub.toml"
        self._config.write_text(SETTINGS + settings)
        self._process: Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        words = ("--config", str(self._config), "--port", str(self.port), *self._options)
        with self.said.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self._module, "serve", *words, stdin=DEVNULL, stdout=output, stderr=output
            )
        self.lives += 1
        async with asyncio.timeout(READY_SECONDS):
            while not await self._answers():
                assert self._process.returncode is None, self.complaint()
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """Without a word, as if the power had failed."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None

    async def stop(self) -> None:
        """As a service manager does: SIGTERM, and it ends by itself."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            code = await self._process.wait()
        assert code == 0, self.complaint()
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def complaint(self) -> str:
        """What it said that is more than information."""
        lines = self.said.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if " INFO " not in line][-40:])

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def hub(folder: Path, log: str) -> AsyncIterator[HubProcess]:
    process = HubProcess(folder, "--log", log)
    try:
        await process.start()
        yield process
    finally:
        await process.kill()


class ProxyProcess:
    """`tests.chaos.proxy` before a hub."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port

    def storm(self) -> None:
        self._say(b"storm\n")

    def calm(self) -> None:
        self._say(b"calm\n")

    async def finish(self) -> dict[str, Any]:
        """Cuts everyone off. Returns how often it did what."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        async with asyncio.timeout(READY_SECONDS):
            done: dict[str, Any] = json.loads(await self._process.stdout.read())
            await self._process.wait()
        return done

    def _say(self, command: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command)


@asynccontextmanager
async def proxy(port: int, *, seed: int, life: float) -> AsyncIterator[ProxyProcess]:
    """Connections through it live `life` seconds on average while it storms."""
    words = ("-m", "tests.chaos.proxy", str(port), str(seed), str(life))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            own_port = int(await process.stdout.readline())
        yield ProxyProcess(process, own_port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
