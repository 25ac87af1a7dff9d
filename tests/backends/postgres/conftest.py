"""One PostgreSQL server for all tests; each test has a schema of its own."""

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from hubbub.backends.postgres.opening import PostgresBackend
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


class Backends:
    """Makes backends on one server, all of one new schema, and closes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._cluster = f"test-{secrets.token_hex(4)}"
        self._open: list[PostgresBackend] = []

    async def make(self) -> PostgresBackend:
        backend = PostgresBackend(self.url, cluster=self._cluster)
        await backend.connect()
        self._open.append(backend)
        return backend

    async def close(self) -> None:
        for backend in self._open:
            await backend.close()


@pytest.fixture
async def backends(postgres_server: PostgresServer) -> AsyncIterator[Backends]:
    made = Backends(postgres_server.url)
    yield made
    await made.close()
