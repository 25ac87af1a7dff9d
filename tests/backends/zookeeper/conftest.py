from collections.abc import Iterator

import pytest

from tests.backends.zookeeper.server import ZookeeperServer, need_zookeeper


@pytest.fixture(scope="session")
def zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZookeeperServer]:
    """One server for all tests that leave it as it is; each has a path of its own."""
    yield from _running(tmp_path_factory)


@pytest.fixture
def own_zookeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZookeeperServer]:
    """A server that a test may stop."""
    yield from _running(tmp_path_factory)


def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZookeeperServer]:
    need_zookeeper()
    server = ZookeeperServer(tmp_path_factory.mktemp("zookeeper"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
