"""A log that answers when it likes: whatever comes between, nothing falls between, and nothing comes too early."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from hubbub.backends.memory.log import MemoryLog
from hubbub.hub.users import User
from hubbub.node.journal import LogJournal
from hubbub.ports import Append, Page
from hubbub.protocol.payloads import Position
from hubbub.protocol.wire import profile_of
from hubbub.testing.transport import RecordingTransport
from tests.hub.world import Peer, World


class WhimsicalLog:
    """Each answer takes some turns of the loop; a read says what was true at any time of them."""

    def __init__(self, rng: random.Random) -> None:
        self.inner = MemoryLog()
        self._rng = rng

    async def _wait(self) -> None:
        for _ in range(self._rng.choice((0, 1, 2, 7))):
            await asyncio.sleep(0)

    async def append(self, batch: Sequence[Append]) -> Sequence[Any]:
        await self._wait()
        results = self.inner.append(batch)
        await self._wait()
        return results

    async def read(self, log: str, **query: Any) -> Page:
        await self._wait()
        page = self.inner.read(log, **query)
        await self._wait()
        return page

    async def head(self, log: str) -> Position:
        await self._wait()
        head = self.inner.head(log)
        await self._wait()
        return head

    def forget(self, session: str) -> None:
        self.inner.forget(session)

    def close(self) -> None: ...


class Listener:
    """What one session was told, over all its connections."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.positions: dict[str, int] = {}
        self.begun = False

    def take(self) -> None:
        for message in self.peer.transport.take(self.peer.world.wire, self.peer.connection.profile):
            if message.type == "welcome":
                self.begun = True
                self.peer.session_id = message.session_id
                self.positions = {log: at.offset for log, at in message.payload.positions.items()}
            elif message.type == "session_restored":
                self.begun = True
                for log, found in message.payload.channels.items():
                    assert found.recovered
                    assert found.offset == self.positions.setdefault(log, found.offset), log
            elif message.type == "ack" and message.channel.startswith("room:") and message.payload:
                self.positions[message.channel] = message.payload.offset
            elif message.type == "text":
                assert self.begun, "a delivery before the greeting"
                assert message.offset == self.positions[message.channel] + 1, (message.channel, self.positions)
                self.positions[message.channel] = message.offset


class Scenario:
    """Sessions that begin, join, break off and return, while everything is published to."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = World()
        self.store = WhimsicalLog(self.rng)
        self.journal = self.world.hub.journal = LogJournal(self.world.hub, self.store)
        self.listeners: list[Listener] = []
        self.published: dict[str, int] = {}

    def act(self) -> None:
        choice = self.rng.random()
        known = [one for one in self.listeners if one.begun]
        if choice < 0.1 or not known:
            self._hello(f"u{self.rng.randrange(3)}")
        elif choice < 0.25:
            self._join(self.rng.choice(known).peer)
        elif choice < 0.4:
            self._break_off(self.rng.choice(known))
        else:
            channels = ("room:den", "room:den", "all", "user:u0", "user:u1", "user:u2")
            self._publish(self.rng.choice(channels))

    def _hello(self, name: str) -> None:
        transport = RecordingTransport()
        profile = profile_of("json")
        connection = self.world.hub.connect(transport, profile)
        self.world.hub.welcome(connection, User(name), profile, {})
        self.listeners.append(Listener(Peer(self.world, connection, transport)))

    def _join(self, peer: Peer) -> None:
        session = peer.connection.session
        if session is not None and "den" not in session.rooms:
            value = {"messageId": "00000000-0000-0000-0000-000000000000", "timestamp": 1, "sender": peer.user}
            value |= {"type": "command", "channel": "room:den", "payload": {"action": "join"}}
            self.world.hub.receive(peer.connection, self.world.wire.json.convert(value))

    def _break_off(self, one: Listener) -> None:
        one.take()
        self.world.hub.disconnect(one.peer.connection)
        one.begun = False
        epoch = self.store.inner.head("all").epoch
        positions = {log.replace(":", "_"): Position(epoch, at) for log, at in one.positions.items()}
        one.peer = self.world.restore(one.peer, **positions)

    def _publish(self, channel: str) -> None:
        def settle(outcome: Any) -> None:
            self.published[channel] = outcome.offset

        id = f"{self.rng.getrandbits(32):08x}-0000-0000-0000-000000000000"
        value = {"type": "text", "messageId": id, "timestamp": 1, "sender": "s", "channel": channel}
        message = self.world.wire.json.convert({**value, "payload": {"content": "x"}})
        self.world.hub.publish(message, None, settle)


@pytest.mark.parametrize("seed", range(60))
async def test_everything_from_the_position_that_was_told_comes_once_and_in_order(seed: int) -> None:
    scenario = Scenario(seed)
    for _ in range(150):
        scenario.act()
        for _ in range(scenario.rng.choice((0, 0, 1, 3))):
            scenario.world.settle()
            await asyncio.sleep(0)
        for one in scenario.listeners:
            one.take()
    for _ in range(20):
        scenario.world.settle()
        await scenario.journal.settle()
    for one in scenario.listeners:
        one.take()
        assert one.begun
        session = one.peer.connection.session
        assert session is not None
        for log in session.logs():
            assert one.positions.get(log, 0) == scenario.published.get(log, 0), (log, one.peer.user)
