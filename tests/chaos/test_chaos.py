"""Nothing lost, over real sockets: a crowd of clients while connections are cut and while the server is killed.

How much of it is set by variables: `CHAOS_CLIENTS`, `CHAOS_SECONDS` of load, `CHAOS_SEED`. `make chaos` is the full
size; by default it is a short one.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.chaos.crowd import Crowd
from tests.chaos.processes import HubProcess, hub, proxy
from tests.chaos.proxy import KINDS

pytestmark = pytest.mark.slow

CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "60"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 1_000_000)

PAUSE = max(0.25, CLIENTS / 500)
"""Seconds between two messages of a client: all together publish at most 500 a second, and each goes to ten."""
KILLS = max(3, int(SECONDS / 8))
LOGS = ("memory", "sqlite") if SECONDS >= 30 else ("memory",)
"""What the hub keeps its logs in while connections are cut; when it is killed it has to be a file."""


@asynccontextmanager
async def crowd(port: int) -> AsyncIterator[Crowd]:
    everyone = Crowd(CLIENTS, SEED)
    try:
        await everyone.open(f"ws://127.0.0.1:{port}/ws")
        yield everyone
    finally:
        await everyone.close()


def log_of(kind: str, folder: Path) -> str:
    return f"sqlite://{folder / 'hub.db'}" if kind == "sqlite" else kind


async def check(everyone: Crowd, server: HubProcess) -> None:
    """Once all is quiet: everyone has everything, once and in order."""
    await everyone.settle()
    await everyone.last_words()
    verdict = everyone.judge()
    print(f"seed {SEED}: {verdict}")
    assert not verdict.wrong, f"seed {SEED}: {verdict}\n{server.complaint()}"
    assert verdict.acknowledged > CLIENTS
    assert "Traceback" not in server.complaint(), server.complaint()


@pytest.mark.parametrize("log", LOGS)
async def test_nothing_is_lost_while_connections_are_cut(log: str, tmp_path: Path) -> None:
    async with (
        hub(tmp_path, log_of(log, tmp_path)) as server,
        proxy(server.port, seed=SEED, life=SECONDS / 4) as between,
    ):
        async with crowd(between.port) as everyone:
            between.storm()
            await everyone.load(SECONDS, PAUSE)
            between.calm()
            await check(everyone, server)
        done = await between.finish()
        print(done)
        assert set(done) == set(KINDS), done


async def test_nothing_is_lost_while_the_server_is_killed(tmp_path: Path) -> None:
    async with hub(tmp_path, log_of("sqlite", tmp_path)) as server, crowd(server.port) as everyone:
        load = asyncio.create_task(everyone.load(SECONDS, PAUSE))
        kills = asyncio.create_task(kill_again_and_again(server))
        await load
        await kills
        await check(everyone, server)
        assert server.lives == KILLS + 1


async def kill_again_and_again(server: HubProcess) -> None:
    """At any time, while the load lasts; it is back on the same file and port after a moment."""
    loop = asyncio.get_running_loop()
    dice = random.Random(SEED)
    began = loop.time()
    for number in range(KILLS):
        moment = began + SECONDS * (number + dice.uniform(0.1, 0.9)) / KILLS
        # The server's lives are the load's rhythm; nothing is waited for by this.
        await asyncio.sleep(max(0.0, moment - loop.time()))
        await server.kill()
        await server.start()
