"""One Redis server and one Redis Cluster for all tests; each test has a cluster of hubs of its own on them."""

import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hubbub.backends.redis.opening import RedisBackend
from tests.servers.redis import RedisServer, RedisThree


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def redis_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisThree]:
    three = RedisThree(tmp_path_factory.mktemp("redis-cluster"))
    three.start()
    yield three
    three.kill()


class Backends:
    """Makes backends on one server, all of one new cluster of hubs, and closes them."""

    def __init__(self) -> None:
        self.cluster = f"test-{secrets.token_hex(4)}"
        self._open: list[RedisBackend] = []

    async def make(self, url: str, **options: Any) -> RedisBackend:
        backend = RedisBackend(url, **{"cluster": self.cluster, **options})
        await backend.connect()
        self._open.append(backend)
        return backend

    async def close(self) -> None:
        for backend in self._open:
            for store in (backend.log, backend.sessions, backend.directory, backend.presence, backend.registry):
                await store.close()
            await backend.mailbox.close()
            await backend.close()


@pytest.fixture
async def backends() -> AsyncIterator[Backends]:
    made = Backends()
    yield made
    await made.close()
