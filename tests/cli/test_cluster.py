"""`hubbub nodes` and `hubbub drain`, on a real Redis."""

import asyncio
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubbub
from hubbub.cli.cluster import table
from hubbub.ports import NodeRecord
from tests.servers.redis import RedisServer


def test_the_table_has_a_line_for_each_node() -> None:
    records = [
        NodeRecord("a", "r", "ws://a/ws", 7, 100, started=1000.0),
        NodeRecord("longer", "r", "", 12, state="draining", started=990_000.0),
    ]
    assert table(records, 1_000_000.0) == [
        "NODE    STATE     CONNECTIONS  UP   URL",
        "a       up        7/100        11d  ws://a/ws",
        "longer  draining  12           2h   -",
    ]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()


async def command(*words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hubbub.cli.main", *words, stdout=PIPE, stderr=PIPE
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, (said + complained).decode()


@pytest.mark.slow
async def test_a_node_is_drained_and_takes_part_again(redis: RedisServer, tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    cluster = f"test-{secrets.token_hex(4)}"
    config.write_text(f'backend = "{redis.url}"\ncluster = "{cluster}"\n')
    apps = [
        hubbub.Hubbub(anonymous=True, port=0, node=name, backend=redis.url, cluster=cluster) for name in ("n1", "n2")
    ]
    async with apps[0].serve() as first, apps[1].serve() as second:
        async with hubbub.connect(f"ws{first.url[4:]}/ws", user="ann") as ann:
            await ann.join("room:den")
            code, said = await command("nodes", "--config", str(config))
            assert code == 0, said
            assert [line.split()[:2] for line in said.splitlines()[1:]] == [["n1", "up"], ["n2", "up"]]
            code, said = await command("drain", "n1", "--over", "1", "--config", str(config))
            assert code == 0, said
            assert said.splitlines()[-1] == "n1: draining, 0 connections"
            assert len(second.connections()) == 1
            with pytest.raises(hubbub.ConnectionClosed):
                await hubbub.connect(f"ws{first.url[4:]}/ws", user="bob")
            await ann.publish("room:den", "from there")
            code, said = await command("drain", "n1", "--cancel", "--config", str(config))
            assert code == 0, said
            await (await hubbub.connect(f"ws{first.url[4:]}/ws", user="bob")).close()
            code, said = await command("drain", "n9", "--config", str(config))
            assert (code, "there is no node n9" in said) == (2, True)


@pytest.mark.slow
async def test_without_a_backend_there_is_nothing_to_look_at() -> None:
    code, said = await command("nodes")
    assert (code, said) == (2, "hubbub: backend: say what the nodes share: --backend redis://host:6379/0\n")
