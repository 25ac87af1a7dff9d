"""Clients that are moved about while nodes are drained, killed and cut off: by seed, nothing lost, nobody twice.

`WANDER_SEEDS` says how many seeds to play, `WANDER_SEED` plays one.
"""

from __future__ import annotations

import asyncio
import os
import random
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from hubbub import Client, HubbubError, OutcomeUnknown, TryLater
from hubbub.client.events import ConnectionState
from hubbub.testing.cluster import Cluster
from hubbub.testing.loop import virtual
from tests.seeds import seeds

SEEDS = int(os.environ.get("WANDER_SEEDS", "25"))
ONLY = os.environ.get("WANDER_SEED")
NODES = ("n1", "n2", "n3")
PEOPLE = 5
MESSAGES = 30
HAPPENINGS = ("move", "move", "move", "move", "cut", "crash", "drain", "part", "slow")
DURATION = 60.0
SETTLING = 300.0


class Wanderer:
    """A client in the one room, and its book."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self.client: Client
        self.heard: list[tuple[int, str]] = []
        self.acknowledged: dict[str, int] = {}
        self.problems: list[str] = []

    async def begin(self, cluster: Cluster, ack: bool) -> None:
        start = self._rng.randrange(len(NODES))
        self.client = await cluster.connect(self.name, *NODES[start:], *NODES[:start])
        self.client.on("state", self._changed)
        await self.client.listen("room:den", self._note, ack=ack, on_missed=self._miss)

    async def talk(self) -> None:
        for number in range(MESSAGES):
            await asyncio.sleep(self._rng.expovariate(MESSAGES / DURATION))
            await self._say(f"{self.name} {number}")

    async def _say(self, text: str) -> None:
        id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        while True:
            try:
                position = await self.client.publish("room:den", text, message_id=id)
            except TryLater:
                # It may be in the log all the same: it goes again under its id.
                await asyncio.sleep(0.2)
            except OutcomeUnknown:
                # Nobody answered for a long time; nor does this say that it is not in the log.
                await asyncio.sleep(0.2)
            except HubbubError as error:
                self.problems.append(f"publishing {text!r}: {error!r}")
                return
            else:
                self.acknowledged[text] = position.offset
                return

    def _note(self, message: Any) -> None:
        self.heard.append((message.offset, message.payload.content))

    def _miss(self, missed: Exception) -> None:
        self.problems.append(f"missed: {missed}")

    def _changed(self, state: ConnectionState) -> None:
        if state.phase == "connected" and not state.resumed:
            self.problems.append("the session was begun anew")
        if state.phase in ("closed", "gave_up"):
            self.problems.append(f"it is over: {state.reason}")


class Journey:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"wander/{seed}")
        self.cluster = Cluster(seed, delay=self._rng.choice((0.001, 0.01, 0.1)))
        self.people = [Wanderer(f"u{number}", random.Random(f"{seed}/{number}")) for number in range(PEOPLE)]
        self._tasks: set[asyncio.Task[Any]] = set()
        self.moved = 0

    async def play(self) -> None:
        await self.cluster.start(*NODES)
        for person in self.people:
            await person.begin(self.cluster, ack=self._rng.random() < 0.5)
        talking = asyncio.gather(*(person.talk() for person in self.people))
        loop = asyncio.get_running_loop()
        end = loop.time() + DURATION
        while loop.time() < end:
            await asyncio.sleep(self._rng.expovariate(0.5))
            await self._happen(self._rng.choice(HAPPENINGS))
        for node in self.cluster.nodes.values():
            node.mend()
        await asyncio.wait_for(talking, SETTLING)
        await until(self._is_complete, SETTLING)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # What comes twice, or too late, has time to.
        await asyncio.sleep(60)

    async def _happen(self, what: str) -> None:
        node = self.cluster.nodes[self._rng.choice(NODES)]
        if what == "move":
            for _ in range(self._rng.randint(1, 3)):
                self._start(self._move())
        elif what == "cut":
            for link in node.network.alive():
                if self._rng.random() < 0.5:
                    link.cut()
        elif what == "slow":
            for link in node.network.alive():
                link.slow_down(self._rng.choice((0.001, 0.1, 1.0)))
        elif what == "part":
            node.cut_off()
            await asyncio.sleep(self._rng.uniform(0.1, 8))
            node.mend()
        elif what == "crash":
            node.crash()
            await asyncio.sleep(self._rng.uniform(0.1, 5))
            await node.start()
        else:
            await node.stop()
            await asyncio.sleep(self._rng.uniform(0.1, 5))
            await node.start()

    async def _move(self) -> None:
        app = self._rng.choice([node.app for node in self.cluster.nodes.values() if node.app is not None])
        here = [one.id for one in app.connections()]
        if here:
            try:
                await app.migrate(self._rng.choice(here), self._rng.choice((None, *NODES)))
                self.moved += 1
            except HubbubError:
                pass

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_complete(self) -> bool:
        wanted = {text for person in self.people for text in person.acknowledged}
        return all(wanted <= {text for _, text in person.heard} for person in self.people)

    def violations(self) -> list[str]:
        found = [f"{person.name}: {problem}" for person in self.people for problem in person.problems]
        first = self.people[0].heard
        for person in self.people:
            offsets = [offset for offset, _ in person.heard]
            if offsets != sorted(set(offsets)):
                found.append(f"{person.name} heard something twice or out of order: {offsets}")
            if person.heard != first:
                found.append(f"{person.name} and u0 heard different things: {sorted({*person.heard} ^ {*first})}")
            for text, offset in person.acknowledged.items():
                if (offset, text) not in person.heard:
                    found.append(f"{text!r} at {offset} is lost to {person.name}")
            said = [text for _, text in person.heard if text.startswith(person.name)]
            if said != [f"{person.name} {number}" for number in range(MESSAGES)]:
                found.append(f"what {person.name} said is out of order or twice: {said}")
            where = [
                name
                for name, node in self.cluster.nodes.items()
                if node.app is not None and node.app.hub.groups.sessions_of(person.name)
            ]
            if len(where) != 1:
                found.append(f"the session of {person.name} is at {where}")
        return found


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Returns when it holds, or the time is over: then the checker says what is missing."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("seed", [int(ONLY)] if ONLY else seeds(SEEDS, quick=8))
def test_nothing_is_lost_and_nobody_is_in_two_places(seed: int) -> None:
    @virtual
    async def play() -> list[str]:
        journey = Journey(seed)
        await journey.play()
        return journey.violations()

    assert play() == []
