"""A crowd of clients that publish and listen in small groups, and keep book of everything."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Unpack

from hubbub import Client, HubbubError, Message, MessagesMissed, OutcomeUnknown, Text, TryLater, connect
from hubbub.client.events import ConnectionState
from hubbub.client.options import Options

GROUP = 10
OPENING = 50
"""Clients that open at a time."""
IN_FLIGHT = 4
"""Publishes of one client that may wait for their acknowledgement."""
SETTLE_SECONDS = 90.0

Sent = tuple[str, int]
"""Who published, and the number of the message: each counts its own from 1."""


@dataclass
class Member:
    """One client, and its book."""

    name: str
    channel: str
    ack: bool
    codec: str
    client: Client | None = None
    published: int = 0
    acknowledged: dict[Sent, int] = field(default_factory=dict)
    """The offset that the hub gave."""
    unknown: set[Sent] = field(default_factory=set)
    received: list[tuple[int, Sent]] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    refusals: int = 0
    """Messages that were to be published again later."""
    connections: int = 0
    disconnections: int = 0
    sessions: int = 0
    silence: float = 0.0
    """The longest time under load, in seconds, in which nothing came."""
    last_heard: float | None = None
    """None while there is no load."""
    away: float = 0.0
    """The longest time without a connection, in seconds."""
    lost_at: float | None = None
    """None while there is a connection."""
    back_at: float | None = None
    """When there was one again."""

    async def open(self, url: str, **options: Unpack[Options]) -> None:
        self.client = await connect(url, user=self.name, codec=self.codec, **options)
        self.sessions = self.connections = 1
        self.client.on("state", self._changed)
        await self.client.listen(self.channel, self._take, ack=self.ack, on_missed=self._note_missed)

    @property
    def is_dead(self) -> bool:
        """Whether the client has given up, which it never should."""
        return self.client is None or self.client.state.phase in ("closed", "gave_up")

    async def publish(self) -> None:
        """The next message; returns when it is known what became of it."""
        assert self.client is not None
        self.published += 1
        sent = (self.name, self.published)
        id = str(uuid.uuid4())
        while True:
            try:
                position = await self.client.publish(self.channel, str(sent[1]), message_id=id)
            except OutcomeUnknown:
                self.unknown.add(sent)
            except TryLater as error:
                # It may be in the log all the same: it goes again under its id.
                self.refusals += 1
                await asyncio.sleep((error.retry_after_ms or 100) / 1000)
                continue
            except HubbubError as error:
                self.errors.append(repr(error))
            else:
                self.acknowledged[sent] = position.offset
            return

    def _take(self, message: Message) -> None:
        assert isinstance(message.payload, Text)
        assert isinstance(message.offset, int)
        if self.last_heard is not None:
            now = asyncio.get_running_loop().time()
            self.silence = max(self.silence, now - self.last_heard)
            self.last_heard = now
        self.received.append((message.offset, (str(message.sender), int(message.payload.content))))

    def _note_missed(self, missed: MessagesMissed) -> None:
        self.missed.append(str(missed))

    def _changed(self, state: ConnectionState) -> None:
        now = asyncio.get_running_loop().time()
        if state.phase == "disconnected":
            self.disconnections += 1
            self.lost_at = now
        if state.phase == "connected":
            if self.lost_at is not None:
                self.away = max(self.away, now - self.lost_at)
                self.lost_at, self.back_at = None, now
            self.connections += 1
            self.sessions += not state.resumed


@dataclass
class Verdict:
    """What the books say, each with some examples."""

    acknowledged: int = 0
    unknown: int = 0
    deliveries: int = 0
    connections: int = 0
    sessions: int = 0
    """Beyond the first of each."""
    disconnections: int = 0
    refusals: int = 0
    silence: float = 0.0
    """The longest that anyone heard nothing under load, in seconds."""
    wrong: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def blame(self, what: str, member: Member, example: object) -> None:
        self.wrong[what] += 1
        if self.wrong[what] <= 5:
            self.examples.append(f"{what}: {member.name} in {member.channel}: {example}")

    def __str__(self) -> str:
        figures = (
            f"{self.acknowledged} acknowledged, {self.unknown} unknown, {self.deliveries} deliveries, "
            f"{self.connections} more connections, {self.disconnections} of them after the last was lost, "
            f"{self.sessions} sessions begun anew, {self.refusals} publishes tried later, "
            f"longest silence {self.silence:.2f} s; wrong: {dict(self.wrong)}"
        )
        return "\n".join([figures, *self.examples])


class Crowd:
    """Groups of ten, or as said. Rooms and topics, with acks and without, JSON and Protobuf take turns."""

    def __init__(self, size: int, seed: int, *, group: int = GROUP, in_flight: int = IN_FLIGHT) -> None:
        self._size_of_group = group
        self._random = random.Random(seed)
        self._in_flight = in_flight
        self.members: list[Member] = []
        for number in range(size):
            place = number // group
            channel = f"room:chaos{place}" if place % 2 else f"topic:chaos{place}.all"
            codec = "protobuf" if number % 2 else "json"
            self.members.append(Member(f"u{number}", channel, ack=place % 4 > 1, codec=codec))

    def groups(self) -> list[list[Member]]:
        """The members by channel."""
        size = self._size_of_group
        return [self.members[first : first + size] for first in range(0, len(self.members), size)]

    async def open(self, url: str, **options: Unpack[Options]) -> None:
        """Everyone listens when it returns."""
        gate = asyncio.Semaphore(OPENING)

        async def open_one(member: Member) -> None:
            async with gate:
                await member.open(url, **options)

        async with asyncio.TaskGroup() as tasks:
            for member in self.members:
                tasks.create_task(open_one(member))

    async def load(self, seconds: float, pause: float) -> None:
        """Everyone publishes, `pause` seconds apart on average, until the time is over and all is answered."""
        now = asyncio.get_running_loop().time()
        async with asyncio.timeout(seconds + SETTLE_SECONDS), asyncio.TaskGroup() as tasks:
            for member in self.members:
                member.last_heard = now
                tasks.create_task(self._publish_until(now + seconds, member, pause))
        for member in self.members:
            member.last_heard = None

    async def _publish_until(self, deadline: float, member: Member, pause: float) -> None:
        gate = asyncio.Semaphore(self._in_flight)

        async def publish() -> None:
            await member.publish()
            gate.release()

        async with asyncio.TaskGroup() as tasks:
            # The pause is the load's rhythm; nothing is waited for by it.
            while asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(self._random.uniform(0, 2 * pause))
                await gate.acquire()
                tasks.create_task(publish())

    async def settle(self) -> None:
        """Returns when everyone has all that was acknowledged in its group, or nothing more can be hoped for."""
        wanted = self._acknowledged()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_SECONDS
        waiting = self.members
        while waiting and loop.time() < deadline:
            waiting = [one for one in waiting if not one.is_dead and not _has(one, wanted[one.channel])]
            await asyncio.sleep(0.1)

    async def last_words(self) -> None:
        """One more message in each group: what else was under way would have come before it."""
        await asyncio.wait_for(asyncio.gather(*(group[0].publish() for group in self.groups())), SETTLE_SECONDS)
        await self.settle()

    async def begin_anew(self) -> None:
        """Closes the books when nothing of what stands in them is under way any more, and opens new ones."""
        firsts = [group[0] for group in self.groups()]
        await asyncio.wait_for(asyncio.gather(*(member.publish() for member in firsts)), SETTLE_SECONDS)
        async with asyncio.timeout(SETTLE_SECONDS):
            for group in self.groups():
                last = group[0].name, group[0].published
                while not all(last in {sent for _, sent in member.received[-1:]} for member in group):
                    await asyncio.sleep(0.02)
        for member in self.members:
            member.acknowledged, member.received, member.missed, member.unknown = {}, [], [], set()

    async def close(self) -> None:
        opened = [member.client for member in self.members if member.client is not None]
        await asyncio.gather(*(client.close() for client in opened))

    def judge(self) -> Verdict:
        """Lost, duplicate and reordered, by what every single member got."""
        verdict = Verdict()
        wanted = self._acknowledged()
        for member in self.members:
            verdict.acknowledged += len(member.acknowledged)
            verdict.unknown += len(member.unknown)
            verdict.deliveries += len(member.received)
            verdict.connections += member.connections - 1
            verdict.sessions += member.sessions - 1
            verdict.disconnections += member.disconnections
            verdict.refusals += member.refusals
            verdict.silence = max(verdict.silence, member.silence)
            _compare(member, wanted[member.channel], verdict)
        return verdict

    def _acknowledged(self) -> dict[str, dict[Sent, int]]:
        wanted: dict[str, dict[Sent, int]] = {member.channel: {} for member in self.members}
        for member in self.members:
            wanted[member.channel].update(member.acknowledged)
        return wanted


def _has(member: Member, wanted: dict[Sent, int]) -> bool:
    if len(member.received) < len(wanted):
        return False
    return wanted.keys() <= {sent for _, sent in member.received}


def _compare(member: Member, wanted: dict[Sent, int], verdict: Verdict) -> None:
    blame: Callable[[str, object], None] = lambda what, example: verdict.blame(what, member, example)  # noqa: E731
    if member.is_dead:
        blame("dead", "the client gave up")
    for problem in member.missed:
        blame("missed", problem)
    for problem in member.errors:
        blame("error", problem)
    seen: dict[Sent, int] = {}
    last_offset = 0
    last_number: dict[str, int] = {}
    for offset, sent in member.received:
        name, number = sent
        if sent in seen:
            blame("duplicate", f"{sent} at {seen[sent]} and {offset}")
        elif offset <= last_offset or number <= last_number.get(name, 0):
            blame("reordered", f"{sent} at {offset} after {last_offset} and number {last_number.get(name)}")
        if wanted.get(sent, offset) != offset:
            blame("misplaced", f"{sent} at {offset}, acknowledged at {wanted[sent]}")
        seen.setdefault(sent, offset)
        last_offset = max(last_offset, offset)
        last_number[name] = max(number, last_number.get(name, 0))
    for sent, offset in wanted.items():
        if sent not in seen:
            blame("lost", f"{sent}, acknowledged at {offset}")
