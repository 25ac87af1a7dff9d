"""Nothing lost in a cluster: three real nodes on a real Redis, a crowd on them, and what happens to nodes.

How much of it is set by the variables of `test_chaos`. The clients reach the cluster as over a balancer that sends each
new connection to the next node that is up; one that is told to go to a node goes there itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubbub.client.options import ClientSocket
from hubbub.client.socket import open_socket
from tests.chaos.crowd import Crowd, Verdict
from tests.chaos.processes import HubProcess
from tests.chaos.test_chaos import CLIENTS, PAUSE, SECONDS, SEED
from tests.servers.redis import RedisServer
from tests.waiting import until

pytestmark = pytest.mark.slow

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
NODES = 3


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that loses nothing when it is killed."""
    server = RedisServer(tmp_path / "redis", *DURABLE)
    server.start()
    yield server
    server.kill()


class Nodes:
    """Three nodes, and the way to them."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.processes = [HubProcess(folder / f"n{number}", "--backend", redis.url) for number in range(NODES)]
        self._next = 0

    async def start(self) -> None:
        await asyncio.gather(*(process.start() for process in self.processes))

    async def kill(self) -> None:
        await asyncio.gather(*(process.kill() for process in self.processes))

    async def dial(self, url: str, **how: Any) -> ClientSocket:
        if url == "ws://cluster/ws":
            up = [process for process in self.processes if process.is_running]
            self._next += 1
            url = f"ws://127.0.0.1:{up[self._next % len(up)].port}/ws"
        return await open_socket(url, **how)

    def complaints(self) -> str:
        return "\n".join(process.complaint() for process in self.processes)


@asynccontextmanager
async def crowd(nodes: Nodes, **how: Any) -> AsyncIterator[Crowd]:
    everyone = Crowd(CLIENTS, SEED, **how)
    try:
        await nodes.start()
        await everyone.open("ws://cluster/ws", dial=nodes.dial)
        yield everyone
    finally:
        await everyone.close()
        await nodes.kill()


async def check(everyone: Crowd, nodes: Nodes) -> Verdict:
    """Once all is quiet: everyone has everything, once and in order, and kept the session."""
    await everyone.settle()
    await everyone.last_words()
    verdict = everyone.judge()
    print(f"seed {SEED}: {verdict}")
    assert not verdict.wrong, f"seed {SEED}: {verdict}\n{nodes.complaints()}"
    assert verdict.acknowledged > CLIENTS
    assert (verdict.unknown, verdict.sessions) == (0, 0), verdict
    assert "Traceback" not in nodes.complaints(), nodes.complaints()
    return verdict


async def test_a_node_that_stops_sends_its_clients_to_the_others(tmp_path: Path, redis: RedisServer) -> None:
    nodes = Nodes(tmp_path, redis)
    async with crowd(nodes) as everyone:
        load = asyncio.create_task(everyone.load(SECONDS, PAUSE))
        await asyncio.sleep(SECONDS / 4)
        await nodes.processes[0].stop()
        await load
        verdict = await check(everyone, nodes)
        # All of them had another connection before they left the old one.
        assert verdict.connections == CLIENTS // NODES
        assert verdict.disconnections == 0


async def test_all_nodes_restart_in_turn(tmp_path: Path, redis: RedisServer) -> None:
    nodes = Nodes(tmp_path, redis)
    async with crowd(nodes) as everyone:
        load = asyncio.create_task(everyone.load(2 * SECONDS, PAUSE))
        for process in nodes.processes:
            await process.stop()
            await process.start()
        await load
        verdict = await check(everyone, nodes)
        assert verdict.disconnections == 0


async def test_a_node_that_is_killed_loses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    nodes = Nodes(tmp_path, redis)
    async with crowd(nodes) as everyone:
        load = asyncio.create_task(everyone.load(SECONDS, PAUSE))
        await asyncio.sleep(SECONDS / 3)
        await nodes.processes[0].kill()
        await load
        verdict = await check(everyone, nodes)
        assert verdict.connections >= CLIENTS // NODES


async def test_a_redis_that_is_killed_loses_nothing(tmp_path: Path, redis: RedisServer) -> None:
    nodes = Nodes(tmp_path, redis)
    # What is refused is published again: one at a time, so that it is in order all the same.
    async with crowd(nodes, in_flight=1) as everyone:
        load = asyncio.create_task(everyone.load(SECONDS, PAUSE))
        await asyncio.sleep(SECONDS / 3)
        await asyncio.to_thread(redis.kill)
        # Away for as long as it takes until that is felt: a quick restart refuses nobody.
        await until(lambda: any(member.refusals for member in everyone.members))
        await asyncio.to_thread(redis.start)
        await load
        verdict = await check(everyone, nodes)
        assert verdict.disconnections == 0
