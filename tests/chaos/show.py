"""What the show is made of: nodes behind nginx, a steady beat of messages, and figures for each act."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.chaos.crowd import Crowd, Member
from tests.chaos.processes import HubProcess
from tests.integration.processes import running_proxy
from tests.servers.ports import free_port
from tests.servers.redis import RedisServer

BACK_SECONDS = 60.0
"""In which everybody has to be connected again."""


class NamedNode(HubProcess):
    """A node that clients reach only through the proxy: also when they are sent to this very one.

    The name is the proxy's for it. Among the nodes it has another at each start: one of its own would be waited for
    after a kill, until it is forgotten.
    """

    def __init__(self, name: str, folder: Path, redis: RedisServer, proxy: int) -> None:
        self.name = name
        settings = f"""
advertise = "ws://127.0.0.1:{proxy}/node/{name}/ws"
trusted_proxies = ["127.0.0.1"]
"""
        super().__init__(folder / name, "--backend", redis.url, settings=settings)

    @property
    def option(self) -> str:
        """As `hubbub nginx` wants it."""
        return f"{self.name}=127.0.0.1:{self.port}"


class Stage:
    """The nodes, and the one address at which clients find them."""

    def __init__(self, nodes: list[NamedNode], proxy: int) -> None:
        self.nodes = nodes
        self.url = f"ws://127.0.0.1:{proxy}/ws"

    def complaints(self) -> str:
        return "\n".join(node.complaint() for node in self.nodes)


@asynccontextmanager
async def stage(folder: Path, redis: RedisServer, names: str = "abc") -> AsyncIterator[Stage]:
    """Nodes on Redis behind nginx with the configuration that `hubbub nginx` prints."""
    proxy = free_port()
    nodes = [NamedNode(name, folder, redis, proxy) for name in names]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        with running_proxy("nginx", folder, nodes, port=proxy):
            yield Stage(nodes, proxy)
    finally:
        await asyncio.gather(*(node.kill() for node in nodes))


class Beat:
    """In every group somebody says something every `pause` seconds, each in turn: whoever hears nothing was cut off.

    Each member has one message under way, and is passed over until it is known what became of it.
    """

    def __init__(self, crowd: Crowd, pause: float) -> None:
        self._crowd = crowd
        self._pause = pause
        self._publishes: dict[str, asyncio.Task[None]] = {}
        """By member."""
        self.late = 0.0
        """Seconds that the latest beat came after its time: so long the clients, or the machine, were held up."""

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Until the end of the block, and then until all that was said is answered."""
        loop = asyncio.get_running_loop()
        groups = self._crowd.groups()
        began = loop.time()
        for member in self._crowd.members:
            member.last_heard = began
        beats = [
            loop.create_task(self._keep(group, began + self._pause * number / len(groups)))
            for number, group in enumerate(groups)
        ]
        try:
            yield
        finally:
            for beat in beats:
                beat.cancel()
            await asyncio.gather(*beats, return_exceptions=True)
        async with asyncio.timeout(BACK_SECONDS):
            await asyncio.gather(*self._publishes.values())
        for member in self._crowd.members:
            member.last_heard = None

    async def _keep(self, group: list[Member], moment: float) -> None:
        loop = asyncio.get_running_loop()
        waiting = deque(group)
        while True:
            # The beat is the load's rhythm; nothing is waited for by it.
            await asyncio.sleep(max(0.0, moment - loop.time()))
            self.late = max(self.late, loop.time() - moment)
            moment += self._pause
            member = next((one for one in waiting if one.name not in self._publishes), None)
            if member is None:
                continue
            waiting.remove(member)
            waiting.append(member)
            task = self._publishes[member.name] = loop.create_task(member.publish())
            task.add_done_callback(partial(self._published, member.name))

    def _published(self, name: str, task: asyncio.Task[None]) -> None:
        del self._publishes[name]
        if not task.cancelled():
            task.result()


@dataclass
class Act:
    """What the clients saw while something was done to the cluster. Times are in seconds."""

    name: str
    done: float
    """How long it took to do it; then it was watched what comes of it."""
    seconds: float
    """All of that."""
    published: int
    delivered: int
    repeated: int
    """Publishes that were told to come again."""
    cut: int
    """Connections that ended without another in their place."""
    moved: int
    """Connections that had another in their place before they ended."""
    away: float
    """The longest time that any client had no connection."""
    back: float
    """From the beginning until the last of those had one again."""
    silence: float
    """The longest time in which any client got no message."""
    late: float
    """The longest that the clients were held up themselves: of the silence, what is not the cluster's."""
    busy: float
    """Share of a core that the clients used."""


class Programme:
    """Act by act."""

    def __init__(self, crowd: Crowd, beat: Beat) -> None:
        self._crowd = crowd
        self._beat = beat
        self.acts: list[Act] = []

    @asynccontextmanager
    async def act(self, name: str, watched: float) -> AsyncIterator[None]:
        """The block is what is done; what comes of it is watched for so many seconds more, and until all are back."""
        members = self._crowd.members
        loop = asyncio.get_running_loop()
        for member in members:
            member.silence = member.away = 0.0
            member.back_at = None
        self._beat.late = 0.0
        before = self._counts()
        began, worked = loop.time(), time.process_time()
        yield
        done = loop.time() - began
        # The beat goes on: this is watched, and waits for nothing.
        await asyncio.sleep(watched)
        await self._everybody()
        now = loop.time()
        counts = [late - early for late, early in zip(self._counts(), before, strict=True)]
        published, delivered, repeated, cut, connected = counts
        act = Act(
            name=name,
            done=done,
            seconds=now - began,
            published=published,
            delivered=delivered,
            repeated=repeated,
            cut=cut,
            moved=connected - cut,
            away=max(member.away for member in members),
            back=max((member.back_at or began) - began for member in members),
            silence=max(max(member.silence, now - (member.last_heard or now)) for member in members),
            late=self._beat.late,
            busy=(time.process_time() - worked) / (now - began),
        )
        self.acts.append(act)

    async def _everybody(self) -> None:
        async with asyncio.timeout(BACK_SECONDS):
            while any(member.lost_at is not None for member in self._crowd.members):
                await asyncio.sleep(0.02)

    def _counts(self) -> tuple[int, ...]:
        members = self._crowd.members
        return (
            sum(len(member.acknowledged) for member in members),
            sum(len(member.received) for member in members),
            sum(member.refusals for member in members),
            sum(member.disconnections for member in members),
            sum(member.connections for member in members),
        )

    def table(self) -> str:
        """In Markdown."""
        heads = "what happens", "took", "of", "published", "delivered", "told to repeat", "cut off", "moved"
        heads += "longest away", "all back after", "longest silence", "clients late by", "clients' CPU"
        rows = [heads, ("---", *["--:"] * (len(heads) - 1))]
        for act in self.acts:
            away = [f"{act.away:.2f} s", f"{act.back:.2f} s"] if act.cut else ["-", "-"]
            figures = act.published, act.delivered, act.repeated, act.cut, act.moved
            times = *away, f"{act.silence:.2f} s", f"{act.late:.2f} s", f"{act.busy:.0%}"
            rows.append((act.name, f"{act.done:.1f} s", f"{act.seconds:.1f} s", *map(str, figures), *times))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)
