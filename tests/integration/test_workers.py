"""Real worker processes on one port: one room over all of them, and what becomes of it when one dies."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubbub
from tests.chaos.crowd import Crowd
from tests.integration.processes import HUBBUB, Node, node_of
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer
from tests.sockets import RawSocket, application, get, upgrade
from tests.waiting import until

pytestmark = pytest.mark.slow

SECONDS = float(os.environ.get("CHAOS_SECONDS", "8"))


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Node]:
    with_folder = Node("w", "--workers", "2", folder=tmp_path)
    try:
        yield with_folder.wait()
    finally:
        with_folder.end()


def url(parent: Node) -> str:
    return f"http://127.0.0.1:{parent.port}"


def children(parent: Node) -> set[int]:
    """The process ids of the workers."""
    pid = parent.process.pid
    return {int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def metric_at(port: int, name: str) -> int:
    """What a worker's own metrics say."""
    body = (await get(f"http://127.0.0.1:{port}", "/metrics"))[2]
    (line,) = [line for line in body.splitlines() if line.startswith(f"{name} ")]
    return int(float(line.split()[1]))


async def nodes_at(port: int) -> int:
    """How many nodes a worker sees, itself included; 0 while it does not listen."""
    try:
        return await metric_at(port, "hubbub_nodes")
    except OSError:
        return 0


def left_in(folder: Path) -> list[Path]:
    """The folders with a broker's socket."""
    return list(folder.glob("hubbub-*"))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def one_on_each(parent: Node, count: int = 2) -> dict[str, RawSocket]:
    """Connections by the worker that has them: the system chooses, so it is asked until all were chosen."""
    found: dict[str, RawSocket] = {}
    async with asyncio.timeout(20):
        while len(found) < count:
            ws = await upgrade(url(parent))
            name = await node_of(ws, f"user{len(found)}")
            if name in found:
                ws.close()
            else:
                found[name] = ws
    return found


async def test_one_room_over_all_workers(workers: Node) -> None:
    await check_one_room(workers)


async def test_workers_that_a_server_joins(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    parent = Node("w", "--workers", "2", "--backend", server.url, folder=tmp_path)
    try:
        await check_one_room(parent.wait())
        # There is no broker, and still the parent's death is noticed.
        assert left_in(tmp_path) == []
        pids = children(parent)
        parent.kill()
        await until(lambda: not any(map(is_alive, pids)))
    finally:
        parent.end()
        server.kill()


async def check_one_room(parent: Node) -> None:
    sockets = await one_on_each(parent)
    assert set(sockets) == {"w-1", "w-2"}
    first, second = sockets.values()
    for number, ws in enumerate((first, second)):
        ack = await ws.ask(application("command", f"user{number}", "room:den", {"action": "join"}))
        assert ack["type"] == "ack", ack
    assert ack["payload"]["members"] == ["user0", "user1"]
    first.send(application("text", "user0", "room:den", {"content": "across"}))
    while (message := await second.receive())["type"] != "text":
        pass
    assert (message["sender"], message["payload"]["content"]) == ("user0", "across")
    first.close(), second.close()


async def test_a_document_is_one_over_all_workers(workers: Node) -> None:
    each = list((await one_on_each(workers)).values())
    for ws in each:
        opened = await ws.ask(
            {"type": "join", "messageId": str(uuid.uuid4()), "channel": "doc:notes", "documentId": "notes"}
        )
        assert opened["type"] == "joined"
        while (message := await ws.receive())["type"] != "init":
            pass
    operation = {"operation": [[0, "hello"]], "revision": message["payload"]["document"]["revision"], "seq": 1}
    each[0].send({"type": "operation", "channel": "doc:notes", "payload": operation})
    for ws in each:
        while (message := await ws.receive())["type"] != "operations":
            pass
        assert [entry["seq"] for entry in message["payload"]["operations"]] == [1]
        ws.close()


async def test_nothing_is_lost_when_a_worker_is_killed(workers: Node) -> None:
    seed = random.randrange(1, 1_000_000)
    everyone = Crowd(40, seed)
    try:
        await everyone.open(f"ws://127.0.0.1:{workers.port}/ws")
        load = asyncio.create_task(everyone.load(SECONDS, 0.3))
        before = children(workers)
        assert len(before) == 2
        victim = random.Random(seed).choice(sorted(before))
        # It dies in the middle of the load.
        await asyncio.sleep(SECONDS / 3)
        os.kill(victim, signal.SIGKILL)
        await load
        await everyone.settle()
        await everyone.last_words()
        verdict = everyone.judge()
        print(f"seed {seed}: {verdict}")
        assert not verdict.wrong, f"seed {seed}: {verdict}"
        assert verdict.acknowledged > 40
        # Whoever was there came back to a session, on the other worker or on the new one.
        assert verdict.connections > 0
        assert verdict.sessions == 0
        await until(lambda: len(children(workers)) == 2)
        assert victim not in children(workers)
        for ws in (await one_on_each(workers)).values():
            ws.close()
    finally:
        await everyone.close()


async def test_workers_are_renewed_one_by_one(tmp_path: Path) -> None:
    """With ports of their own each is scraped by itself, and clients are sent from one that stops to the others."""
    first = free_port()
    parent = Node("w", "--workers", "2", folder=tmp_path, own_port=str(first)).wait()
    everyone = Crowd(20, 1)
    try:
        await everyone.open(f"ws://127.0.0.1:{parent.port}/ws")
        counts = [await metric_at(first + number, "hubbub_connections") for number in range(2)]
        assert sum(counts) == 20
        assert all(counts)
        load = asyncio.create_task(everyone.load(SECONDS, 0.3))
        for pid in sorted(children(parent)):
            os.kill(pid, signal.SIGTERM)
            await until(lambda pid=pid: not is_alive(pid))
            # Its successor serves, and has been seen by the other.
            async with asyncio.timeout(30):
                while await nodes_at(first) + await nodes_at(first + 1) < 4:
                    await asyncio.sleep(0.1)
        await load
        await everyone.settle()
        await everyone.last_words()
        verdict = everyone.judge()
        print(verdict)
        assert not verdict.wrong, verdict
        assert verdict.sessions == 0
        # Each was sent on at least once, and came to the next before it left the last.
        assert verdict.connections >= 20
        assert verdict.disconnections == 0
    finally:
        await everyone.close()
        parent.end()


async def test_the_parents_death_ends_the_workers(workers: Node) -> None:
    (first, second) = (await one_on_each(workers)).values()
    pids = children(workers)
    workers.kill()
    await until(lambda: not any(map(is_alive, pids)))
    for ws in (first, second):
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await ws.frame()
        ws.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_all(workers: Node, number: signal.Signals, tmp_path: Path) -> None:
    sockets = await one_on_each(workers)
    pids = children(workers)
    assert len(left_in(tmp_path)) == 1
    workers.process.send_signal(number)
    for ws in sockets.values():
        assert await ws.closing() == 1001
        ws.send_frame(8, b"\x03\xe9")
        ws.close()
    assert await asyncio.to_thread(workers.process.wait, 30) == 0
    assert not any(map(is_alive, pids))
    assert left_in(tmp_path) == []


async def test_on_disk_everything_outlives_the_processes(tmp_path: Path) -> None:
    log = f"sqlite://{tmp_path / 'hub.db'}"
    first = Node("w", "--workers", "2", "--log", log, folder=tmp_path).wait()
    try:
        async with hubbub.connect(f"ws://127.0.0.1:{first.port}/ws", user="ann") as client:
            await client.join("room:den")
            for number in range(5):
                await client.publish("room:den", str(number))
        first.process.terminate()
        assert await asyncio.to_thread(first.process.wait, 30) == 0
    finally:
        first.end()
    second = Node("w", "--workers", "2", "--log", log, folder=tmp_path).wait()
    try:
        async with hubbub.connect(f"ws://127.0.0.1:{second.port}/ws", user="bob") as client:
            await client.join("room:den")
            found = await client.history("room:den")
            assert [message.payload.content for message in found] == [str(number) for number in range(5)]
    finally:
        second.end()


def failing(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **{f"HUBBUB_{key.upper()}": value for key, value in settings.items()}}
    return subprocess.run(
        [*HUBBUB, "serve", "--anonymous", "--workers", "2", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = failing("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "hubbub: port: cannot listen on 127.0.0.1:" in done.stderr


def test_workers_that_cannot_start_are_not_started_again() -> None:
    began = time.monotonic()
    done = failing("--port", "0", max_connections="100000000")
    assert done.returncode == 1
    assert "max_connections: 100000000 connections" in done.stderr
    assert "cannot be started" in done.stderr
    assert time.monotonic() - began < 30
