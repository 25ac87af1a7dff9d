"""What is said of a server that cannot be used."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from hubbub.backends.zookeeper.client import parse, segment
from hubbub.backends.zookeeper.opening import ZookeeperBackend
from hubbub.errors import ConfigurationError
from hubbub.ports import SessionRecord
from tests.servers.zookeeper import ZookeeperServer


@pytest.mark.parametrize(
    ("url", "servers", "root", "login"),
    [
        ("zookeeper://a", "a:2181", "/blue", ()),
        ("zookeeper://a:1,b:2,c/x/y/", "a:1,b:2,c:2181", "/x/y", ()),
        ("zookeeper://an%40n:p%3As%2Fs@[::1]:2181,b/x", "[::1]:2181,b:2181", "/x", ("an@n", "p:s/s")),
    ],
)
def test_a_url_names_servers_and_a_path(url: str, servers: str, root: str, login: tuple[str, ...]) -> None:
    assert parse(url, "sessions", "blue") == (servers, root, login)


@pytest.mark.parametrize(
    "url",
    [
        "zookeeper://",
        "zookeeper:///x",
        "zookeeper://a:b",
        "zookeeper://a:1/x//y",
        "zookeeper://u:secret@a:b",
        "kafka://a:1",
    ],
)
def test_a_wrong_url_is_named_with_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(url, "registry", "hubbub")
    assert raised.value.setting == "registry"
    assert "zookeeper://host:2181" in str(raised.value)
    assert "secret" not in str(raised.value)


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


@pytest.mark.slow
async def test_what_was_made_with_a_login_is_for_that_login(zookeeper: ZookeeperServer) -> None:
    where = f"127.0.0.1:{zookeeper.port}/{secrets.token_hex(4)}"
    first = ZookeeperBackend(f"zookeeper://ann:secret@{where}")
    await first.connect()
    record = SessionRecord("ab" * 32, "key", "ann", "c1", 1.0, 1e12, b"state")
    assert await first.sessions.save(record)
    for login in ("ann:wrong@", ""):
        with pytest.raises(ConfigurationError, match="is not for this login") as raised:
            await ZookeeperBackend(f"zookeeper://{login}{where}").connect()
        assert "wrong" not in str(raised.value)
    second = ZookeeperBackend(f"zookeeper://ann:secret@{where}")
    await second.connect()
    assert await second.sessions.of_user("ann") == [record]
    await first.close()
    await second.close()
