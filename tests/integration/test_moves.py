"""Three real nodes on a real Redis behind a real proxy: clients are moved through it, and find their sessions."""

import asyncio
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.crowd import Crowd
from tests.integration.processes import HUBBUB, Node, need, running_proxy
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer
from tests.sockets import get, upgrade

pytestmark = pytest.mark.slow

SECONDS = 12.0


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


class Cluster:
    """Nodes on fixed ports, so that a proxy finds one that was started again; clients reach each through the proxy."""

    def __init__(self, backend: str, proxy: int, names: str) -> None:
        self._backend = backend
        self._proxy = proxy
        self._ports = {name: free_port() for name in names}
        self.nodes = {name: self._make(name) for name in names}
        for node in self.nodes.values():
            node.wait()

    def _make(self, name: str) -> Node:
        words = ("--backend", self._backend, "--port", str(self._ports[name]))
        return Node(name, *words, advertise=f"ws://127.0.0.1:{self._proxy}/node/{name}/ws")

    async def drain(self, name: str) -> None:
        """SIGTERM; returns when the node has ended by itself."""
        process = self.nodes[name].process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
        self.nodes[name].end()

    async def start(self, name: str) -> None:
        self.nodes[name] = self._make(name)
        await asyncio.to_thread(self.nodes[name].wait)

    def end(self) -> None:
        for node in self.nodes.values():
            node.end()


async def connections(node: Node) -> int:
    body = (await get(f"http://127.0.0.1:{node.port}", "/metrics"))[2]
    (line,) = [line for line in body.splitlines() if line.startswith("hubbub_connections ")]
    return int(float(line.split()[1]))


async def test_haproxy_sends_nobody_to_a_node_that_drains(redis_server: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    cluster = Cluster(redis_server.url, port, "ab")
    log = tmp_path / "proxy.log"
    try:
        with running_proxy("haproxy", tmp_path, list(cluster.nodes.values()), port=port):
            ws = await upgrade(f"http://127.0.0.1:{port}", path="/node/a/ws")
            await ws.hello("stays")
            assert "is DOWN" not in log.read_text()
            drain = [*HUBBUB, "drain", "a", "--over", "1", "--backend", redis_server.url]
            draining = await asyncio.create_subprocess_exec(*drain)
            async with asyncio.timeout(30):
                while "Server nodes/a is DOWN" not in log.read_text():
                    await asyncio.sleep(0.1)
            # Who is there is served on until it is its turn.
            async with asyncio.timeout(30):
                while (await ws.receive())["type"] != "migrate":
                    pass
            draining.terminate()
            await draining.wait()
            ws.close()
            assert "Server nodes/b is DOWN" not in log.read_text()
    finally:
        cluster.end()


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_clients_are_moved_through_a_proxy_and_nothing_is_lost(
    kind: str, redis_server: RedisServer, tmp_path: Path
) -> None:
    need(kind)
    port = free_port()
    cluster = Cluster(redis_server.url, port, "abc")
    seed = random.randrange(1, 1_000_000)
    everyone = Crowd(30, seed)
    try:
        with running_proxy(kind, tmp_path, list(cluster.nodes.values()), port=port):
            await everyone.open(f"ws://127.0.0.1:{port}/ws")
            load = asyncio.create_task(everyone.load(SECONDS, 0.3))
            await asyncio.sleep(1)
            began = asyncio.get_running_loop().time()
            await cluster.drain("a")
            took = asyncio.get_running_loop().time() - began
            # Everyone was moved before the node ended, over their own ways through the proxy.
            assert await connections(cluster.nodes["b"]) + await connections(cluster.nodes["c"]) == 30
            verdict = everyone.judge()
            assert (verdict.sessions, verdict.disconnections) == (0, 0)
            await cluster.start("a")
            cluster.nodes["b"].kill()
            await load
            await everyone.settle()
            await everyone.last_words()
            verdict = everyone.judge()
            print(f"{kind}, seed {seed}, drained in {took:.1f} s: {verdict}")
            assert not verdict.wrong, f"seed {seed}: {verdict}"
            assert verdict.sessions == 0
            assert verdict.acknowledged > 30
            assert await connections(cluster.nodes["a"]) > 0
            await everyone.close()
    finally:
        await everyone.close()
        cluster.end()
