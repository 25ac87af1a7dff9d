"""What only ZooKeeper can get wrong: nodes left over, two that save at once, a server that goes and comes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

import hubbub
from hubbub.backends.zookeeper.opening import ZookeeperBackend
from hubbub.backends.zookeeper.sessions import ZookeeperSessions
from hubbub.config import Settings
from hubbub.errors import TryLater
from hubbub.ports import NodeRecord, SessionRecord
from hubbub.testing.clock import VirtualClock
from tests.servers.zookeeper import ZookeeperServer, ZookeeperThree
from tests.sockets import ws

pytestmark = pytest.mark.slow


def record(number: int = 1, **fields: object) -> SessionRecord:
    made = SessionRecord(f"{number:064x}", f"key-{number}", "ann", f"c{number}", 100.0 + number, 2000.0, b"state")
    return replace(made, **fields)


@pytest_asyncio.fixture
async def pair(zookeeper: ZookeeperServer) -> AsyncIterator[list[ZookeeperBackend]]:
    """Two nodes."""
    url = f"{zookeeper.url}/test/{secrets.token_hex(4)}"
    backends = [ZookeeperBackend(url), ZookeeperBackend(url)]
    for backend in backends:
        await backend.connect()
    yield backends
    for backend in backends:
        await backend.close()


async def leftovers(backend: ZookeeperBackend) -> list[str]:
    """Every node but the fixed ones."""
    found = []
    for kind in ("users", "connections", "sessions"):
        above = f"{backend.client.root}/{kind}"
        for name in await backend.client.children(above):
            below = await backend.client.children(f"{above}/{name}")
            found += [f"{kind}/{name}/{one}" for one in below]
            if kind != "sessions" and not below:
                found.append(f"{kind}/{name}")
    return sorted(found)


async def test_nothing_is_left_of_what_was_deleted(pair: list[ZookeeperBackend]) -> None:
    one, two = (ZookeeperSessions(backend.client, wall=VirtualClock()) for backend in pair)
    for number in range(1, 4):
        assert await one.save(record(number))
    await one.save(record(1, connection="c9"))
    await one.save(record(2, user="bob é/..", connection=""))
    assert await leftovers(pair[0]) == [
        f"connections/connection-c3/{3:064x}",
        f"connections/connection-c9/{1:064x}",
        *(f"sessions/00/{number:064x}" for number in (1, 2, 3)),
        f"users/user-ann/{1:064x}",
        f"users/user-ann/{3:064x}",
        f"users/user-bob%20%C3%A9%2F../{2:064x}",
    ]
    for number in range(1, 4):
        await two.delete(f"{number:064x}")
    assert await leftovers(pair[0]) == []


async def test_the_fence_decides_between_two_nodes_that_know_nothing_of_each_other(
    pair: list[ZookeeperBackend],
) -> None:
    one, two = (ZookeeperSessions(backend.client, wall=VirtualClock()) for backend in pair)
    assert await one.save(record(fence=1))
    taken = await two.load(record().digest)
    assert taken is not None
    assert await two.save(record(fence=2, connection="c2", state=b"two"))
    assert not await one.save(record(fence=1, state=b"late")), "what it knew is not what is there"
    assert await one.load(record().digest) == record(fence=2, connection="c2", state=b"two")
    assert await one.of_connection("c1") is None
    assert await one.save(record(fence=3, connection="c3"))
    assert not await two.save(record(fence=2, connection="c2"))
    assert await leftovers(pair[0]) == [
        f"connections/connection-c3/{1:064x}",
        f"sessions/00/{1:064x}",
        f"users/user-ann/{1:064x}",
    ]


async def test_what_another_node_deleted_has_no_fence(pair: list[ZookeeperBackend]) -> None:
    one, two = (ZookeeperSessions(backend.client, wall=VirtualClock()) for backend in pair)
    assert await one.save(record(fence=5))
    await two.delete(record().digest)
    assert await one.save(record(fence=1)), "what it knew is gone"


async def test_many_that_save_at_once_leave_the_highest_fence(pair: list[ZookeeperBackend]) -> None:
    one, two = (ZookeeperSessions(backend.client, wall=VirtualClock()) for backend in pair)
    saves = [
        (one, two)[number % 2].save(record(fence=number, connection=f"c{number}", user=f"u{number % 3}"))
        for number in range(40)
    ]
    await asyncio.gather(*saves)
    found = await one.load(record().digest)
    assert found is not None
    assert found.fence == 39
    assert await leftovers(pair[0]) == [
        f"connections/connection-c39/{1:064x}",
        f"sessions/00/{1:064x}",
        f"users/user-u0/{1:064x}",
    ]


async def test_what_expired_is_swept_and_what_lives_stays(pair: list[ZookeeperBackend]) -> None:
    wall = VirtualClock(1000.0)
    sessions = ZookeeperSessions(pair[0].client, wall=wall)
    for number in range(1, 6):
        await sessions.save(record(number, expires=1010.0 if number < 4 else 1100.0))
    wall.advance(50)
    assert await sessions.sweep(0) == 3
    assert await sessions.sweep(1) == 0
    assert [entry for entry in await leftovers(pair[0]) if entry.startswith("sessions")] == [
        f"sessions/00/{number:064x}" for number in (4, 5)
    ]


async def test_a_server_that_was_killed_has_what_was_saved(own_zookeeper: ZookeeperServer) -> None:
    backend = ZookeeperBackend(own_zookeeper.url, patience=20.0)
    await backend.connect()
    sessions = ZookeeperSessions(backend.client, wall=VirtualClock())
    try:
        for number in range(1, 11):
            await sessions.save(record(number))
        own_zookeeper.kill()
        waiting = [sessions.save(record(number, state=b"meanwhile")) for number in range(1, 21)]
        await asyncio.get_running_loop().run_in_executor(None, own_zookeeper.start)
        assert all(await asyncio.gather(*waiting)), "it was waited for"
        found = await sessions.of_user("ann")
        assert [one.key for one in found] == [f"key-{number}" for number in range(1, 21)]
        assert {one.state for one in found} == {b"meanwhile"}
    finally:
        await backend.close()


async def test_an_ensemble_outlives_its_leader(tmp_path: Path) -> None:
    three = ZookeeperThree(tmp_path)
    await asyncio.to_thread(three.start)
    backend = ZookeeperBackend(three.url, patience=20.0)
    try:
        await backend.connect()
        lease = await backend.registry.lease("leader", "n1", 60.0)
        assert await backend.registry.announce(NodeRecord("n1", "first"), 60.0)
        for number in range(1, 11):
            assert await backend.sessions.save(record(number, expires=1e12, fence=1))
        await asyncio.to_thread(three.leader.kill)
        for number in range(1, 21):
            assert await backend.sessions.save(record(number, expires=1e12, fence=2))
        assert [one.fence for one in await backend.sessions.of_user("ann")] == [2] * 20
        assert await backend.registry.lease("leader", "n1", 60.0) == lease
        assert [one.name for one in await backend.registry.nodes()] == ["n1"], "the client's session outlives it, too"
    finally:
        await backend.close()
        three.kill()


async def test_while_no_server_answers_everything_is_unavailable(own_zookeeper: ZookeeperServer) -> None:
    backend = ZookeeperBackend(own_zookeeper.url, patience=0.3)
    await backend.connect()
    try:
        await backend.sessions.save(record(expires=1e12))
        own_zookeeper.kill()
        for ask in (
            backend.sessions.save(record(2)),
            backend.sessions.load(record().digest),
            backend.sessions.of_user("ann"),
            backend.sessions.delete(record().digest),
            backend.registry.nodes(),
        ):
            with pytest.raises(TryLater) as raised:
                await ask
            assert raised.value.code == "unavailable"
            assert str(own_zookeeper.port) in str(raised.value)
    finally:
        await backend.close()


async def test_an_application_keeps_its_sessions_in_zookeeper(zookeeper: ZookeeperServer) -> None:
    """From the settings to the server: one ensemble is sessions and registry, with one connection."""
    url = f"{zookeeper.url}/test/{secrets.token_hex(4)}"
    settings = Settings(sessions=url, registry=url, cluster="blue", log="memory", port=0, anonymous=True)
    app = hubbub.Hubbub(settings)
    async with app.serve():
        (backend,) = app.stores.backends
        assert (app.stores.sessions, app.stores.registry) == (backend.sessions, backend.registry)
        async with hubbub.connect(ws(app), user="ann"):
            found: list[SessionRecord] = []
            async with asyncio.timeout(10):
                while not found:
                    found = list(await backend.sessions.of_user("ann"))
            assert found[0].connection
