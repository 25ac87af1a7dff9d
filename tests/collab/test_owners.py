"""Several real nodes serve one document: the one that owns it is killed, or held up, while people type."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubbub import Client, connect
from hubbub.backends.postgres.opening import PostgresBackend
from hubbub.backends.redis.opening import RedisBackend
from hubbub.collab import Document
from hubbub.collab.archive import read_edit
from hubbub.collab.authors import OWNER
from hubbub.collab.texts import TextStore
from hubbub.ports import Page
from tests.chaos.processes import HubProcess
from tests.collab.sleeper import SLEEP
from tests.collab.test_kills import Typist
from tests.integration.processes import Node
from tests.integration.test_workers import children
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("OWNER_KILLS", "2"))
LEASE = 1.5
NAMES = ("ann", "bob", "cid")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


class Nodes:
    """Processes on one Redis, and what that knows of them."""

    def __init__(self, redis: RedisBackend, log: Any, processes: list[HubProcess]) -> None:
        self._redis = redis
        self._log = log
        self.processes = processes

    async def page(self) -> Page:
        page: Page = await self._log.read("doc:d", limit=1_000_000)
        return page

    async def owner(self) -> HubProcess | None:
        """The process that the document's log names last, if it is one of those that run."""
        claims = [edit.record.user for edit in await self._edits() if edit.client_id == OWNER]
        for node in await self._redis.registry.nodes():
            if claims and node.run == claims[-1]:
                return next(one for one in self.processes if f":{one.port}/" in node.url)
        return None

    async def replay(self) -> str:
        """The text that the log makes, if each of its operations is for the text before it, and there once."""
        text, had = TextStore(""), Counter[tuple[str, int]]()
        for edit in await self._edits():
            assert edit.changes.length == text.length, f"revision {edit.revision} is for another text"
            for _, place, deleted, inserted in edit.changes.edits():
                text.splice(place, deleted, inserted)
            had[edit.client_id, edit.record.seq] += 1
        assert max(had.values()) == 1, "an operation is in the log twice"
        return str(text)

    async def _edits(self) -> list[Any]:
        return [read_edit(offset, data) for offset, data in (await self.page()).entries]


@asynccontextmanager
async def nodes(redis: RedisServer, folder: Path, *modules: str, postgres: str = "") -> AsyncIterator[Nodes]:
    """One process for each module, all of one cluster."""
    cluster = f"owners-{secrets.token_hex(3)}"
    settings = f'cluster = "{cluster}"\ndocument_lease = {LEASE}\n'
    words = ("--backend", redis.url, *(("--documents", postgres) if postgres else ()))
    backend = RedisBackend(redis.url, cluster=cluster)
    database = PostgresBackend(postgres, cluster=cluster) if postgres else None
    async with AsyncExitStack() as stack:
        await backend.connect()
        stack.push_async_callback(backend.close)
        processes = [
            HubProcess(folder / str(number), *words, module=module, settings=settings)
            for number, module in enumerate(modules)
        ]
        for process in processes:
            stack.push_async_callback(process.kill)
        await asyncio.gather(*(process.start() for process in processes))
        if database is not None:
            await database.connect()
            stack.push_async_callback(database.close)
        yield Nodes(backend, backend.log if database is None else database.log, processes)


async def open_one(process: HubProcess, user: str) -> tuple[Client, Document]:
    url = f"ws://127.0.0.1:{process.port}/ws"
    client = await connect(url, user=user, initial_delay=0.05, max_delay=0.2)
    document = Document(client, "d")
    await document.opened()
    return client, document


async def rest(*documents: Document, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        for document in documents:
            await document.saved()
        while len({(one.revision, one.text) for one in documents}) > 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kept", ["redis", "postgres"])
async def test_the_owner_is_killed_while_people_type(
    kept: str, redis_server: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    postgres = request.getfixturevalue("postgres_server").url if kept == "postgres" else ""
    kills, names = (KILLS, NAMES) if kept == "redis" else (1, NAMES[:2])
    rng = random.Random(2)
    async with nodes(redis_server, tmp_path, *["hubbub.cli.main"] * len(names), postgres=postgres) as cluster:
        people = [await open_one(process, name) for process, name in zip(cluster.processes, names, strict=True)]
        typists = [Typist(document, 0x20000 + number * 0x4000) for number, (_, document) in enumerate(people)]
        owners = set()
        for _ in range(kills):
            stop = asyncio.Event()
            typing = [asyncio.create_task(typist.type(stop)) for typist in typists]
            async with asyncio.timeout(20):
                while (owner := await cluster.owner()) is None:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(rng.uniform(0.05, 0.4))
            acknowledged = {one for typist in typists for one in str(typist.document._replica.confirmed)}
            owners.add(owner.pid)
            await owner.kill()
            await asyncio.sleep(0.2)
            stop.set()
            await asyncio.gather(*typing)
            others = [one for one, process in zip(typists, cluster.processes, strict=True) if process is not owner]
            began = asyncio.get_running_loop().time()
            await rest(*(one.document for one in others))
            assert asyncio.get_running_loop().time() - began < 2 * LEASE + 3, (
                "another one follows when its lease is over"
            )
            await owner.start()
            await rest(*(one.document for one in typists))
            counted = Counter(typists[0].document.text)
            assert acknowledged <= counted.keys(), "what was acknowledged is lost"
            assert counted == Counter(character for typist in typists for character in typist.typed)
        assert len(owners) == kills
        assert await cluster.replay() == typists[0].document.text
        for client, _ in people:
            await client.close()


@pytest.mark.parametrize("is_fenced", [True, False])
async def test_an_owner_that_sleeps_over_its_lease_cannot_write(
    is_fenced: bool, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without the fence it does, and ruins the document: the test would see it."""
    if not is_fenced:
        monkeypatch.setenv("UNFENCED", "1")
    async with nodes(redis_server, tmp_path, "tests.collab.sleeper", "hubbub.cli.main") as cluster:
        sleeper, other = cluster.processes
        ann_client, ann = await open_one(sleeper, "ann")
        bob_client, bob = await open_one(other, "bob")
        ann.insert(0, "a")
        await rest(ann, bob)
        assert await cluster.owner() is sleeper
        ann.insert(1, SLEEP)
        await asleep(sleeper.pid)
        bob.insert(0, "bob ")
        await rest(bob)
        assert await cluster.owner() is other, "it was taken over from"
        known = (await cluster.page()).head
        os.kill(sleeper.pid, signal.SIGCONT)
        if is_fenced:
            await rest(ann, bob)
            assert ann.text == f"bob a{SLEEP}"
            assert await cluster.replay() == ann.text
            assert await cluster.owner() is other
            said = sleeper.said.read_text()
            assert "another node's" in said, "its append was refused, and it says so"
        else:
            async with asyncio.timeout(10):
                while (await cluster.page()).head == known:
                    await asyncio.sleep(0.01)
            with pytest.raises(AssertionError, match="for another text"):
                await cluster.replay()
        await ann_client.close()
        await bob_client.close()


async def test_an_owner_that_is_stopped_hands_over(redis_server: RedisServer, tmp_path: Path) -> None:
    async with nodes(redis_server, tmp_path, "hubbub.cli.main", "hubbub.cli.main") as cluster:
        first, second = cluster.processes
        ann_client, ann = await open_one(first, "ann")
        bob_client, bob = await open_one(second, "bob")
        ann.insert(0, "a")
        await rest(ann, bob)
        assert await cluster.owner() is first
        typist = Typist(bob, 0x20000)
        stop = asyncio.Event()
        typing = asyncio.create_task(typist.type(stop))
        await first.stop()
        stop.set()
        await typing
        await rest(ann, bob)
        assert await cluster.owner() is second
        assert Counter(ann.text) == Counter(["a", *typist.typed])
        assert await cluster.replay() == ann.text
        for client in (ann_client, bob_client):
            await client.close()


async def test_workers_share_documents(tmp_path: Path) -> None:
    """Each worker dies once, the owner among them, while six people type over both."""
    parent = Node("w", "--workers", "2", folder=tmp_path, document_lease=str(LEASE)).wait()
    try:
        url = f"ws://127.0.0.1:{parent.port}/ws"
        clients = [await connect(url, user=f"u{n}", initial_delay=0.05, max_delay=0.2) for n in range(6)]
        documents = [Document(client, "d") for client in clients]
        for document in documents:
            await document.opened()
        typists = [Typist(one, 0x20000 + number * 0x2000) for number, one in enumerate(documents)]
        stop = asyncio.Event()
        typing = [asyncio.create_task(typist.type(stop)) for typist in typists]
        for pid in children(parent):
            await asyncio.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(20):
                while pid in children(parent) or len(children(parent)) < 2:
                    await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*typing)
        await rest(*documents)
        assert Counter(documents[0].text) == Counter(one for typist in typists for one in typist.typed)
        for client in clients:
            await client.close()
    finally:
        parent.end()


async def asleep(pid: int) -> None:
    """Returns when the process is stopped."""
    stat = Path(f"/proc/{pid}/stat")
    async with asyncio.timeout(20):
        while (await asyncio.to_thread(stat.read_text)).rpartition(")")[2].split()[0] != "T":
            await asyncio.sleep(0.01)


async def test_redis_dies_while_people_type(tmp_path: Path) -> None:
    """It keeps what it answered for: the nodes read the document anew, and nobody's edits are lost or doubled."""
    server = RedisServer(tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    try:
        async with nodes(server, tmp_path, "hubbub.cli.main", "hubbub.cli.main") as cluster:
            people = [await open_one(process, name) for process, name in zip(cluster.processes, NAMES[:2], strict=True)]
            typists = [Typist(document, 0x20000 + number * 0x4000) for number, (_, document) in enumerate(people)]
            stop = asyncio.Event()
            typing = [asyncio.create_task(typist.type(stop)) for typist in typists]
            await asyncio.sleep(0.5)
            acknowledged = {one for typist in typists for one in str(typist.document._replica.confirmed)}
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)
            await asyncio.sleep(0.3)
            stop.set()
            await asyncio.gather(*typing)
            await rest(*(one.document for one in typists))
            counted = Counter(typists[0].document.text)
            assert acknowledged
            assert acknowledged <= counted.keys()
            assert counted == Counter(character for typist in typists for character in typist.typed)
            assert await cluster.replay() == typists[0].document.text
            for client, _ in people:
                await client.close()
    finally:
        server.kill()
