"""Nothing lost where each thing is elsewhere: logs on Kafka, sessions and nodes on ZooKeeper, the rest on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.processes import HubProcess
from tests.chaos.test_chaos import PAUSE, SECONDS
from tests.chaos.test_cluster import CLIENTS, NODES, Nodes, check, crowd
from tests.servers.kafka import KafkaServer
from tests.servers.processes import Server
from tests.servers.redis import RedisServer
from tests.servers.zookeeper import ZookeeperServer

pytestmark = pytest.mark.slow


class Servers:
    """One of each."""

    def __init__(self, folder: Path) -> None:
        self.kafka = KafkaServer(folder / "kafka")
        self.zookeeper = ZookeeperServer(folder / "zookeeper")
        self.redis = RedisServer(folder / "redis")
        self.all: tuple[Server, ...] = self.kafka, self.zookeeper, self.redis

    def words(self) -> tuple[str, ...]:
        """The options of a node that uses all of them."""
        log = f"kafka://127.0.0.1:{self.kafka.near}/chaos?partitions=4"
        return "--log", log, "--sessions", self.zookeeper.url, "--backend", self.redis.url


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    with ExitStack() as running:
        for server in servers.all:
            running.callback(server.kill)
            server.start()
        yield servers


@pytest.fixture
def nodes(tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    monkeypatch.setenv("HUBBUB_REGISTRY", servers.zookeeper.url)
    nodes = Nodes(tmp_path, servers.redis)
    nodes.processes = [HubProcess(tmp_path / f"n{number}", *servers.words()) for number in range(NODES)]
    return nodes


async def test_a_node_that_is_killed_loses_nothing(nodes: Nodes) -> None:
    async with crowd(nodes) as everyone:
        load = asyncio.create_task(everyone.load(SECONDS, PAUSE))
        await asyncio.sleep(SECONDS / 3)
        await nodes.processes[0].kill()
        await load
        verdict = await check(everyone, nodes)
        assert verdict.connections >= CLIENTS // NODES


async def test_servers_that_are_killed_in_turn_lose_nothing(nodes: Nodes, servers: Servers) -> None:
    # What is refused is published again: one at a time, so that it is in order all the same.
    async with crowd(nodes, in_flight=1) as everyone:
        load = asyncio.create_task(everyone.load(2 * SECONDS, PAUSE))
        for server in (servers.kafka, servers.zookeeper):
            await asyncio.sleep(SECONDS / 4)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await load
        await check(everyone, nodes)
