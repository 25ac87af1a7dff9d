"""The simulation with several nodes over one log: they die, send clients away, lose the backend, hear late or never."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from msgspec import Struct

from hubbub.app.application import Hubbub
from hubbub.app.stores import retention_of
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.client.options import ClientSocket
from hubbub.errors import HubbubError
from hubbub.protocol.messages import Message
from hubbub.testing.cluster import Backend, ClusterNode
from hubbub.testing.network import Link
from hubbub.testing.simulation.plan import Plan, make_plan
from hubbub.testing.simulation.run import Result, Run, play
from hubbub.testing.simulation.witness import Truth, WitnessedLog

Fault = Literal[
    "cut", "swallow", "stall", "slow", "clock", "crash", "stop", "move", "part", "deaf", "late", "twice", "skip"
]

_FAULTS: tuple[Fault, ...] = (
    "cut",
    "cut",
    "swallow",
    "stall",
    "slow",
    "clock",
    "crash",
    "crash",
    "stop",
    "move",
    "move",
    "move",
    "part",
    "part",
    "deaf",
    "late",
    "twice",
    "skip",
)


_AFTERMATH = 90.0
"""Seconds after the last fault in which half-open connections are found, and every session its one node."""

_AT_REST = 900.0
"""Seconds after which a session at rest is saved again: who was not told that it has lost one learns it then."""


class ClusterHappening(Struct, frozen=True):
    """A fault of one node, or of one of its connections, at `at` seconds; `size` is between 0 and 1."""

    at: float
    fault: Fault
    size: float
    node: int


class ClusterPlan(Struct, frozen=True):
    """What a seed decides beside people and settings. `memory` bytes are what all logs together may take."""

    base: Plan
    nodes: int
    memory: int
    happenings: tuple[ClusterHappening, ...]


def make_cluster_plan(seed: int, nodes: int) -> ClusterPlan:
    """The same for the same seed and number of nodes, always."""
    base = make_plan(seed)
    rng = random.Random(f"cluster/{seed}/{nodes}")
    count = rng.randint(1, 12)
    drawn = sorted(
        (rng.uniform(1.0, base.duration), rng.choice(_FAULTS), rng.random(), rng.randrange(nodes)) for _ in range(count)
    )
    # Where little is kept a log that was silent is dropped, and begins anew.
    memory = rng.choice((8_000, 256 * 1024 * 1024))
    return ClusterPlan(base, nodes, memory, tuple(ClusterHappening(*each) for each in drawn))


def simulate_cluster(nodes: int, seed: int) -> Result:
    """Plays the plan of a seed for so many nodes. What it finds is the same every time."""
    return play(seed, lambda: ClusterRun(make_cluster_plan(seed, nodes)))


class Ear:
    """What a listener on a node is handed: every record once, in its log's order. Clients drop what comes twice."""

    def __init__(self, who: str, channel: str, truth: Truth) -> None:
        self._who = who
        self._channel = channel
        self._truth = truth
        self._last = -1
        self.violations: list[str] = []

    def hear(self, message: Message) -> None:
        record = self._truth.by_id[str(message.message_id)][0]
        if record.place <= self._last:
            self.violations.append(f"{self._who} heard {record.offset} of {self._channel} again, or too late")
        self._last = max(self._last, record.place)


class Nodes:
    """All nodes and what they share. A client goes to one by chance, each time it connects, if it is not sent."""

    def __init__(self, plan: ClusterPlan, truth: Truth, run: ClusterRun) -> None:
        loop = asyncio.get_running_loop()
        base = plan.base
        records = MemoryLog(retention=retention_of(base.settings), memory=plan.memory, clock=loop.time)
        backend = Backend(wall=run.wall)
        backend.log = SharedMemoryLog(cast(MemoryLog, WitnessedLog(records, truth)))
        self._rng = random.Random(f"balance/{base.seed}")
        self._truth = truth
        self.ears: list[Ear] = []
        settings = {field: getattr(base.settings, field) for field in base.settings.__struct_fields__}

        def make_app(**given: Any) -> Hubbub:
            return Hubbub(**{**settings, **given})

        self.all = [
            ClusterNode(f"n{number}", backend, make_app, str(base.seed), base.delay, run.wall)
            for number in range(plan.nodes)
        ]

    async def start(self) -> None:
        for node in self.all:
            await self.start_one(node)

    async def start_one(self, node: ClusterNode) -> None:
        """A process of the node begins; on one of them the application listens, too, as no client does."""
        app = await node.start()
        if node is self.all[0]:
            for channel in ("room:r0", "topic:t.**"):
                ear = Ear(f"the application on {node.name}", channel, self._truth)
                self.ears.append(ear)
                app.listen(channel, ear.hear)

    def torn_sessions(self) -> Iterator[str]:
        """Sessions that more than one node takes for its own, when everything has had the time to be told."""
        places: dict[str, list[str]] = {}
        for node in self.all:
            if node.app is not None:
                for session in node.app.hub.sessions.all():
                    places.setdefault(f"{session.user.name}'s session {session.key}", []).append(node.name)
        for who, names in places.items():
            if len(names) > 1:
                yield f"{who.split(' session ')[0]} session is at {' and at '.join(names)}"

    async def stop(self) -> None:
        for node in self.all:
            await node.stop()

    def discard(self) -> None:
        """Nothing is left behind."""

    async def dial(self, url: str, **how: Any) -> ClientSocket:
        sent_to = [node for node in self.all if node.name == urlsplit(url).hostname]
        return await self._rng.choice(sent_to or self.all).network.dial(url, **how)

    def alive(self) -> list[Link]:
        return [link for node in self.all for link in node.network.alive()]


class ClusterRun(Run):
    """A plan for several nodes, played."""

    def __init__(self, plan: ClusterPlan) -> None:
        self.cluster = plan
        super().__init__(plan.base)
        self._busy: set[int] = set()
        self._troubles: list[asyncio.Task[None]] = []

    def make_server(self) -> tuple[Nodes, Nodes]:
        nodes = self.nodes = Nodes(self.cluster, self.truth, self)
        return nodes, nodes

    async def happen(self) -> None:
        for happening in self.cluster.happenings:
            await self.wait_until(happening.at)
            self._begin(happening)
        await self.wait_until(self.plan.duration)
        # Whatever is still under way gets its time to end.
        await asyncio.gather(*self._troubles)
        for node in self.nodes.all:
            node.log.late = node.log.twice = node.log.skipped = 0.0
        await asyncio.sleep(_AFTERMATH)
        if any(self.nodes.torn_sessions()):
            await asyncio.sleep(_AT_REST)

    def _begin(self, happening: ClusterHappening) -> None:
        size, number = happening.size, happening.node
        node = self.nodes.all[number]
        self.note(f"--- {happening.fault} {size:.2f} of {node.name}")
        if happening.fault in ("cut", "swallow", "stall", "slow", "clock"):
            self.disturb(happening.fault, size, node.network.alive())
        elif happening.fault == "move":
            self._troubles.append(self.loop.create_task(self._move(node, size)))
        elif number in self._busy:
            # It is in trouble already.
            return
        elif happening.fault in ("late", "twice", "skip"):
            self._distort(node, happening.fault, size)
        else:
            self._busy.add(number)
            self._troubles.append(self.loop.create_task(self._trouble(node, happening, number)))

    async def _move(self, node: ClusterNode, size: float) -> None:
        """One of the node's clients is sent to the least loaded of the others."""
        app = node.app
        here = [] if app is None else app.connections()
        if app is not None and here:
            try:
                target = await app.migrate(here[int(size * len(here))].id)
                self.note(f"a client of {node.name} is at {target}")
            except HubbubError as error:
                self.note(f"a client of {node.name} stays: {error}")

    def _distort(self, node: ClusterNode, fault: str, size: float) -> None:
        log = node.log
        if fault == "late":
            log.late = 3 * size
        elif fault == "twice":
            log.twice = size
        else:
            log.skipped = size / 2

    def violations(self) -> list[str]:
        heard = [line for ear in self.nodes.ears for line in ear.violations]
        return super().violations() + heard + list(self.nodes.torn_sessions())

    async def _trouble(self, node: ClusterNode, happening: ClusterHappening, number: int) -> None:
        size = happening.size
        if happening.fault in ("part", "deaf"):
            if happening.fault == "part":
                node.cut_off()
            else:
                node.log.skipped = 1.0
            await asyncio.sleep(0.1 + 20 * size)
            node.log.skipped = 0.0
            # A driver that knows tells what it may have missed; of the other kind, nobody knows.
            node.log.mend(is_silent=happening.fault == "deaf" or size < 0.2)
            self.note(f"{node.name} has the backend again")
        else:
            if happening.fault == "stop":
                await node.stop()
            else:
                node.crash(silently=size < 0.3)
            await asyncio.sleep(0.1 + 20 * size)
            await self.nodes.start_one(node)
            self.note(f"{node.name} is back")
        self._busy.discard(number)
