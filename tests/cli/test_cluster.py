"""`hubbub nodes`, `drain`, `rebalance` and `top`, on a real Redis."""

import asyncio
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubbub
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.cli.cluster import follow, table
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


async def test_the_state_is_told_when_it_changes_though_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    registry = MemoryRegistry()
    registry.announce(NodeRecord("a", "r"), 60)
    following = asyncio.create_task(follow(registry, "a", 1.0, is_wanted="draining"))
    told = ""
    while not told:
        await asyncio.sleep(0)
        told = capsys.readouterr().out
    registry.announce(NodeRecord("a", "r", state="draining"), 60)
    assert await following
    assert (told, capsys.readouterr().out) == ("a: up, 0 connections\n", "a: draining, 0 connections\n")


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
            with pytest.raises(hubbub.TryLater):
                await hubbub.connect(f"ws{first.url[4:]}/ws", user="bob")
            await ann.publish("room:den", "from there")
            code, said = await command("drain", "n1", "--cancel", "--config", str(config))
            assert code == 0, said
            await (await hubbub.connect(f"ws{first.url[4:]}/ws", user="bob")).close()
            code, said = await command("drain", "n9", "--config", str(config))
            assert (code, "there is no node n9" in said) == (2, True)


@pytest.mark.slow
async def test_a_new_node_gets_its_share_and_top_shows_it(redis: RedisServer, tmp_path: Path) -> None:
    config = tmp_path / "hubbub.toml"
    cluster = f"test-{secrets.token_hex(4)}"
    config.write_text(f'backend = "{redis.url}"\ncluster = "{cluster}"\n')

    def node(name: str) -> hubbub.Hubbub:
        return hubbub.Hubbub(anonymous=True, port=0, node=name, backend=redis.url, cluster=cluster)

    async with node("n1").serve() as first:
        clients = [await hubbub.connect(f"ws{first.url[4:]}/ws", user=f"u{number}") for number in range(6)]
        async with node("n2").serve() as second:
            code, said = await command("rebalance", "--over", "1", "--config", str(config))
            assert code == 0, said
            assert said.splitlines()[-1] == "n1: 3, n2: 3"
            assert [len(app.connections()) for app in (first, second)] == [3, 3]
            code, said = await command("top", "--every", "0.1", "--times", "2", "--config", str(config))
            assert code == 0, said
            lines = [line.split() for line in said.splitlines()]
            assert lines[0][:3] == ["NODE", "STATE", "CONNECTIONS"]
            assert [line[:3] for line in lines[1:3]] == [["n1", "up", "3"], ["n2", "up", "3"]]
            assert lines[3][:3] == ["2", "nodes", "6"]
            for client in clients:
                await client.close()


@pytest.mark.slow
async def test_without_a_backend_there_is_nothing_to_look_at() -> None:
    code, said = await command("nodes")
    assert (code, said) == (2, "hubbub: backend: say what the nodes share: --backend redis://host:6379/0\n")
