"""All messages come once and in order while a connection moves, whatever happens to the nodes."""

import asyncio
from typing import Any

import pytest

from hubbub import Client
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.migrating import moved, orders
from tests.seeds import seeds
from tests.waiting import until

MESSAGES = 500


class Talker:
    """A client that publishes its numbers, and keeps what it hears of everyone: (offset, sender, number)."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[tuple[int, str, int]] = []
        self.acknowledged: dict[int, int] = {}

    async def begin(self) -> None:
        await self.client.listen("room:den", self._note)

    def _note(self, message: Any) -> None:
        self.heard.append((message.offset, message.sender, int(message.payload.content)))

    async def talk(self, pause: float) -> None:
        """All numbers, `pause` seconds apart, whatever becomes of those before."""
        tasks = []
        for number in range(MESSAGES):
            tasks.append(asyncio.create_task(self._say(number)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)

    async def _say(self, number: int) -> None:
        position = await self.client.publish("room:den", str(number))
        self.acknowledged[number] = position.offset

    def numbers_of(self, user: str) -> list[int]:
        return [number for _, sender, number in self.heard if sender == user]


@virtual
@pytest.mark.parametrize("seed", seeds(5, quick=2))
@pytest.mark.parametrize("trouble", ["none", "target dead", "target slow", "both cut", "old dies", "target dies later"])
async def test_all_messages_in_both_directions_come_once_and_in_order(trouble: str, seed: int) -> None:
    cluster = Cluster(seed)
    await cluster.start("n1", "n2", "n3")
    ann = Talker(await cluster.connect("ann", "n1", initial_delay=0.1))
    bob = Talker(await cluster.connect("bob", "n3"))
    await ann.begin()
    await bob.begin()
    got = orders(ann.client)
    talking = asyncio.gather(ann.talk(0.02), bob.talk(0.02))
    await asyncio.sleep(1.0)
    if trouble == "target dead":
        cluster.kill("n2")
    elif trouble == "target slow":
        cluster.networks["n2"].delay = 20.0
    moving = asyncio.create_task(moved(cluster, "ann", "n1", "n2"))
    # Some way on: the new connection is being opened, or restores.
    await until(lambda: bool(got) or moving.done())
    await asyncio.sleep(0.01 * seed)
    if trouble == "both cut":
        for link in [*cluster.networks["n1"].alive(), *cluster.networks["n2"].alive()]:
            link.cut()
    elif trouble == "old dies":
        cluster.kill("n1")
        moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    if trouble == "target dies later":
        cluster.kill("n2")
    await talking
    await until(lambda: len(ann.heard) == len(bob.heard) == 2 * MESSAGES)
    await asyncio.sleep(60)
    assert ann.heard == bob.heard
    for talker, user in ((ann, "ann"), (bob, "bob")):
        assert talker.numbers_of("ann") == talker.numbers_of("bob") == list(range(MESSAGES))
        mine = {number: offset for offset, sender, number in talker.heard if sender == user}
        assert talker.acknowledged == mine
    if trouble in ("none", "old dies"):
        assert cluster.where("ann") == ["n2"]
    elif trouble in ("target dead", "target slow", "target dies later"):
        assert cluster.where("ann") == ["n1"]
