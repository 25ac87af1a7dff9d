"""`kill -9` of the real server while people type: nothing acknowledged is lost, and nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubbub import connect
from hubbub.backends.postgres.opening import PostgresBackend
from hubbub.backends.sqlite.storage import open_storage
from hubbub.collab import Document
from hubbub.collab.records import decode_record
from hubbub.ports import Page
from hubbub.ports.answers import answer
from tests.chaos.processes import HubProcess
from tests.servers.postgres import PostgresServer

KILLS = int(os.environ.get("DOCUMENT_KILLS", "4"))
"""`make crash` says 200."""

NAMES = ("ann", "bob", "cid")


class Typist:
    """Types characters that are nowhere else, and knows which of them were acknowledged when."""

    def __init__(self, document: Document, first: int) -> None:
        self.document = document
        self.rng = random.Random(first)
        self.typed: list[str] = []
        self._first = first

    async def type(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            character = chr(self._first + len(self.typed))
            self.typed.append(character)
            self.document.insert(self.rng.randint(0, len(self.document.text)), character)
            await asyncio.sleep(self.rng.choice((0.0, 0.001, 0.003, 0.01)))


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["sqlite", "postgres"])
async def test_nothing_is_lost_when_the_process_is_killed(
    kept: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(1)
    place = tmp_path / "hub.db"
    options = ["--log", f"sqlite:///{place}"]
    if kept == "postgres":
        options += ["--documents", request.getfixturevalue("postgres_server").url]
    async with running(HubProcess(tmp_path, *options)) as server:
        url = f"ws://127.0.0.1:{server.port}/ws"
        clients = [await connect(url, user=name, initial_delay=0.05, max_delay=0.2) for name in NAMES]
        typists = []
        for number, client in enumerate(clients):
            document = Document(client, "d")
            await document.opened()
            typists.append(Typist(document, 0x20000 + number * 0x4000))
        for kill in range(KILLS):
            stop = asyncio.Event()
            typing = [asyncio.create_task(typist.type(stop)) for typist in typists]
            await asyncio.sleep(rng.uniform(0.05, 0.4))
            saved = [one.document._replica.confirmed for one in typists]
            acknowledged = {character for text in saved for character in str(text)}
            await server.kill()
            stop.set()
            await asyncio.gather(*typing)
            await server.start()
            async with asyncio.timeout(60):
                for typist in typists:
                    await typist.document.saved()
                while len({(one.document.revision, one.document.text) for one in typists}) > 1:
                    await asyncio.sleep(0.01)
            counted = Counter(typists[0].document.text)
            assert acknowledged <= counted.keys(), f"kill {kill} took what had been acknowledged"
            assert counted == Counter(character for typist in typists for character in typist.typed)
        text = typists[0].document.text
        for typist in typists:
            await typist.document.close()
        for client in clients:
            await client.close()
        await server.kill()
    if kept == "postgres":
        backend = PostgresBackend(options[-1])
        await backend.connect()
        judge(await backend.log.read("doc:d", limit=1_000_000), text)
        await backend.close()
    else:
        storage = open_storage(place)
        judge(await answer(storage.log.read("doc:d", limit=1_000_000)), text)
        await storage.close()


@asynccontextmanager
async def running(server: HubProcess) -> AsyncIterator[HubProcess]:
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


def judge(page: Page, text: str) -> None:
    """What the store itself says."""
    had: dict[str, int] = {}
    for _, data in page.entries:
        record = decode_record(data)
        assert record.seq > had.get(record.client_id, 0), "an operation is in the log twice"
        had[record.client_id] = record.seq
    assert len(had) == len(NAMES)
    assert text
