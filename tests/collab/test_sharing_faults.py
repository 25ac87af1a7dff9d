"""Several nodes serve one document while everything fails, by seed, on virtual time.

Every insert is one character that is nowhere else: at rest it is there exactly once, whoever owned the document when.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter

import pytest

from hubbub.collab import Document
from hubbub.collab.authors import OWNER
from hubbub.testing.loop import virtual
from tests.collab.nodes import Scene, rest

SEEDS = int(os.environ.get("SHARING_SEEDS", "6"))
NODES = ("n1", "n2", "n3")
USERS = ("ann", "bob", "cid", "dee")
FAULTS = ("crash", "crash silently", "stop", "cut off", "skip", "late", "link", "lose mail", "wait", "wait")


class Trial:
    """One seed's."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.scene = Scene(seed)
        self.typed: dict[str, list[str]] = {user: [] for user in USERS}
        self.seen: dict[str, set[str]] = {user: set() for user in USERS}
        self.number = 0
        self.is_over = False

    async def run(self) -> None:
        every = self.rng.choice((3, 20, 1000))
        await self.scene.start(*NODES, snapshot_operations=every, idle_seconds=3.0, lease_seconds=2.0)
        documents = []
        for user in USERS:
            nodes = self.rng.sample(NODES, len(NODES))
            documents.append(await self.scene.open(user, *nodes))
        typing = [asyncio.ensure_future(self._type(user, one)) for user, one in zip(USERS, documents, strict=True)]
        for _ in range(8):
            await self._fail(self.rng.choice(FAULTS))
        self.is_over = True
        await asyncio.gather(*typing)
        await self._heal()
        await rest(*documents, seconds=300.0)
        self._judge(documents)

    async def _type(self, user: str, document: Document) -> None:
        while not self.is_over:
            self.number += 1
            character = chr(0x4E00 + self.number)
            self.typed[user].append(character)
            document.insert(self.rng.randint(0, len(document.text)), character)
            if document.status.phase == "saved":
                self.seen[user] |= set(document.text)
            await asyncio.sleep(self.rng.choice((0.01, 0.1, 0.1, 1.0)))

    async def _fail(self, fault: str) -> None:
        node = self.scene.cluster.nodes[self.rng.choice(NODES)]
        seconds = self.rng.choice((0.1, 1.0, 4.0))
        if fault.startswith("crash"):
            node.crash(silently=fault.endswith("silently"))
            await asyncio.sleep(seconds)
            await node.start()
        elif fault == "stop":
            await node.stop()
            await asyncio.sleep(seconds)
            await node.start()
        elif fault == "cut off":
            node.cut_off()
            await asyncio.sleep(seconds)
            node.mend()
        elif fault in ("skip", "late"):
            node.log.skipped, node.log.late = (0.5, 0.0) if fault == "skip" else (0.0, 1.0)
            await asyncio.sleep(seconds)
            node.log.skipped = node.log.late = 0.0
        elif fault == "link":
            for link in node.network.alive():
                self.rng.choice((link.cut, link.swallow))()
        elif fault == "lose mail":
            exchange = self.scene.cluster.backend.exchange
            deliver = exchange.deliver
            exchange.deliver = lambda topic, message: None  # type: ignore[method-assign]
            await asyncio.sleep(seconds)
            exchange.deliver = deliver  # type: ignore[method-assign]
        else:
            await asyncio.sleep(seconds)

    async def _heal(self) -> None:
        for node in self.scene.cluster.nodes.values():
            if node.app is None:
                await node.start()

    def _judge(self, documents: list[Document]) -> None:
        self.scene.judge(*documents)
        counted = Counter(documents[0].text)
        wrong = {one: count for one, count in counted.items() if count != 1}
        assert not wrong, f"there more than once: {wrong}"
        missing = {character for typed in self.typed.values() for character in typed} - counted.keys()
        assert not missing, f"lost: {missing}"
        claims = [record.seq for record in self.scene.records() if record.client_id == OWNER]
        assert claims == sorted(set(claims)), "the number of a claim grows"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
@virtual
async def test_whoever_owns_it_nothing_is_lost_or_doubled(seed: int) -> None:
    await Trial(seed).run()
