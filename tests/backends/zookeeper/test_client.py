"""What is said of a server that cannot be used."""

from __future__ import annotations

import asyncio

import pytest

from hubbub.backends.zookeeper.client import parse, segment
from hubbub.backends.zookeeper.opening import ZookeeperBackend
from hubbub.errors import ConfigurationError
from tests.servers.zookeeper import ZookeeperServer


@pytest.mark.parametrize(
    ("url", "servers", "root"),
    [
        ("zookeeper://a", "a:2181", "/blue"),
        ("zookeeper://a:1,b:2,c/x/y/", "a:1,b:2,c:2181", "/x/y"),
        ("zookeeper://[::1]:2181/x", "[::1]:2181", "/x"),
    ],
)
def test_a_url_names_servers_and_a_path(url: str, servers: str, root: str) -> None:
    assert parse(url, "sessions", "blue") == (servers, root)


@pytest.mark.parametrize(
    "url",
    ["zookeeper://", "zookeeper:///x", "zookeeper://a:b", "zookeeper://a:1/x//y", "zookeeper://u:p@a:1", "kafka://a:1"],
)
def test_a_wrong_url_is_named_with_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(url, "registry", "hubbub")
    assert raised.value.setting == "registry"
    assert "zookeeper://host:2181" in str(raised.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "é 🙂", "\0", "zookeeper"])
def test_any_name_is_one_part_of_a_path(name: str) -> None:
    part = segment("user", name)
    assert "/" not in part
    assert part.isprintable()
    assert part not in {".", "..", "zookeeper"}


@pytest.mark.slow
async def test_a_server_that_is_down_at_the_start_is_waited_for(own_zookeeper: ZookeeperServer) -> None:
    own_zookeeper.kill()
    backend = ZookeeperBackend(own_zookeeper.url, start_patience=20.0)
    connecting = asyncio.get_running_loop().create_task(backend.connect())
    await asyncio.get_running_loop().run_in_executor(None, own_zookeeper.start)
    await connecting
    assert await backend.registry.nodes() == []
    await backend.close()


@pytest.mark.slow
async def test_a_server_that_never_comes_is_named(own_zookeeper: ZookeeperServer) -> None:
    own_zookeeper.kill()
    backend = ZookeeperBackend(own_zookeeper.url, setting="registry", start_patience=0.5)
    with pytest.raises(ConfigurationError) as raised:
        await backend.connect()
    assert raised.value.setting == "registry"
    assert f"127.0.0.1:{own_zookeeper.port}" in str(raised.value)
