"""A node that the ensemble took for dead, and one that really is."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from kazoo.client import KazooClient

from hubbub.backends.zookeeper.opening import ZookeeperBackend
from hubbub.ports import NodeRecord
from tests.servers.zookeeper import ZookeeperServer

pytestmark = pytest.mark.slow


def end_session(backend: ZookeeperBackend, server: ZookeeperServer) -> None:
    """Ends a client's session at the server, as it does when a client was cut off for too long."""
    thief = KazooClient(hosts=f"127.0.0.1:{server.port}", client_id=backend.client._kazoo.client_id)
    thief.start()
    thief.stop()
    thief.close()


async def test_a_node_whose_session_expired_announces_itself_again(zookeeper: ZookeeperServer) -> None:
    url = f"{zookeeper.url}/test/{secrets.token_hex(4)}"
    one, two = ZookeeperBackend(url), ZookeeperBackend(url)
    await one.connect()
    await two.connect()
    try:
        record = NodeRecord("n1", "first", load=3)
        assert await one.registry.announce(record, 60.0)
        lease = await one.registry.lease("leader", "n1", 60.0)
        before = one.client.session_id
        await asyncio.get_running_loop().run_in_executor(None, end_session, one, zookeeper)
        async with asyncio.timeout(10):
            while one.client.session_id == before or await two.registry.nodes() != [record]:
                await asyncio.sleep(0.02)
        assert await two.registry.lease("leader", "n2", 60.0) is None, "a lease lasts as long as was said"
        assert await one.registry.lease("leader", "n1", 60.0) == lease
        assert await one.registry.announce(record, 60.0)
    finally:
        await one.close()
        await two.close()


async def test_a_node_whose_process_ended_is_gone_at_once(zookeeper: ZookeeperServer) -> None:
    url = f"{zookeeper.url}/test/{secrets.token_hex(4)}"
    one, two = ZookeeperBackend(url), ZookeeperBackend(url)
    await one.connect()
    await two.connect()
    try:
        assert await one.registry.announce(NodeRecord("n1", "first"), 60.0)
        await one.close()
        assert await two.registry.nodes() == []
    finally:
        await two.close()


async def test_leases_that_nobody_took_again_do_not_pile_up(zookeeper: ZookeeperServer) -> None:
    backend = ZookeeperBackend(f"{zookeeper.url}/test/{secrets.token_hex(4)}")
    await backend.connect()
    try:
        for number in range(5):
            assert await backend.registry.lease(f"old {number}", "n1", 0.2) is not None
        kept = await backend.registry.lease("kept", "n1", 60.0)
        assert len(await backend.client.children(f"{backend.client.root}/leases")) == 6
        async with asyncio.timeout(10):
            while await backend.client.children(f"{backend.client.root}/leases") != ["lease-kept"]:
                assert await backend.registry.announce(NodeRecord("n1", "first"), 60.0)
        assert await backend.registry.lease("kept", "n1", 60.0) == kept
    finally:
        await backend.close()
