from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.backends.kafka.nodes import Nodes
from tests.servers.kafka import KafkaServer


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker for all tests; each has a topic of its own. Who kills it starts it again."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def nodes(kafka: KafkaServer) -> AsyncIterator[Nodes]:
    """Logs on one new topic; closed at the end."""
    nodes = Nodes(f"127.0.0.1:{kafka.near}")
    yield nodes
    await nodes.close()
