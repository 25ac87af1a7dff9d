"""What every `Sessions` and every `Registry` promises, on a real ZooKeeper."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import pytest_asyncio

from hubbub.backends.zookeeper.opening import ZookeeperBackend
from hubbub.backends.zookeeper.registry import ZookeeperRegistry
from hubbub.backends.zookeeper.sessions import ZookeeperSessions
from hubbub.ports import Registry, Sessions
from hubbub.testing.registry_contract import RegistryContract
from hubbub.testing.sessions_contract import SessionsContract
from tests.servers.zookeeper import ZookeeperServer

pytestmark = pytest.mark.slow


class OnZookeeper:
    """Each test has a path of its own, and as many connections as it asks for."""

    @pytest_asyncio.fixture(autouse=True)
    async def _place(self, zookeeper: ZookeeperServer) -> AsyncIterator[None]:
        self._url = f"{zookeeper.url}/test/{secrets.token_hex(4)}"
        self._backends: list[ZookeeperBackend] = []
        yield
        for backend in self._backends:
            await backend.close()

    async def connect(self) -> ZookeeperBackend:
        backend = ZookeeperBackend(self._url)
        await backend.connect()
        self._backends.append(backend)
        return backend


class TestZookeeperSessions(OnZookeeper, SessionsContract):
    async def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return ZookeeperSessions((await self.connect()).client, wall=wall)


class TestZookeeperRegistry(OnZookeeper, RegistryContract):
    TTL = 1.5

    async def make_registries(self, count: int) -> Sequence[Registry]:
        return [ZookeeperRegistry((await self.connect()).client) for _ in range(count)]
