"""`kill -9` of the real server while people type: nothing acknowledged is lost, and nothing is there twice."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from hubbub import connect
from hubbub.backends.sqlite.storage import open_storage
from hubbub.collab import Document
from hubbub.collab.records import decode_record
from hubbub.testing.log_contract import answer
from tests.chaos.processes import hub

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


@pytest.mark.slow
async def test_nothing_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    rng = random.Random(1)
    place = tmp_path / "hub.db"
    async with hub(tmp_path, f"sqlite:///{place}") as server:
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
    await judge_log(place, text)


async def judge_log(place: Path, text: str) -> None:
    """What the file says, read by nobody but SQLite."""
    storage = open_storage(place)
    page = await answer(storage.log.read("doc:d", limit=1_000_000))
    had: dict[str, int] = {}
    for _, data in page.entries:
        record = decode_record(data)
        assert record.seq > had.get(record.client_id, 0), "an operation is in the log twice"
        had[record.client_id] = record.seq
    assert len(had) == len(NAMES)
    assert text
    await storage.close()
