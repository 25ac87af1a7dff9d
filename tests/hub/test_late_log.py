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
        self._inner = MemoryLog()
        self._rng = rng

    async def _wait(self) -> None:
        for _ in range(self._rng.choice((0, 1, 2, 7))):
            await asyncio.sleep(0)

    async def append(self, batch: Sequence[Append]) -> Sequence[Any]:
        await self._wait()
        results = self._inner.append(batch)
        await self._wait()
        return results

    async def read(self, log: str, **query: Any) -> Page:
        await self._wait()
        page = self._inner.read(log, **query)
        await self._wait()
        return page

    async def head(self, log: str) -> Position:
        await self._wait()
        head = self._inner.head(log)
        await self._wait()
        return head

    def forget(self, session: str) -> None:
        self._inner.forget(session)

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


@pytest.mark.parametrize("seed", range(60))
async def test_everything_from_the_position_that_was_told_comes_once_and_in_order(seed: int) -> None:
    rng = random.Random(seed)
    world = World()
    store = WhimsicalLog(rng)
    journal = world.hub.journal = LogJournal(world.hub, store)
    listeners: list[Listener] = []
    published: dict[str, int] = {}

    def count(channel: str) -> Any:
        def settle(outcome: Any) -> None:
            published[channel] = outcome.offset

        return settle

    def hello(name: str) -> None:
        transport = RecordingTransport()
        profile = profile_of("json")
        connection = world.hub.connect(transport, profile)
        world.hub.welcome(connection, User(name), profile, {})
        listeners.append(Listener(Peer(world, connection, transport)))

    def publish(channel: str) -> None:
        fields = {"messageId": f"{rng.getrandbits(32):08x}-0000-0000-0000-000000000000", "timestamp": 1, "sender": "s"}
        message = world.wire.json.convert({"type": "text", "channel": channel, "payload": {"content": "x"}, **fields})
        world.hub.publish(message, None, count(channel))

    def act() -> None:
        choice = rng.random()
        known = [one for one in listeners if one.begun]
        if choice < 0.1 or not known:
            hello(f"u{rng.randrange(3)}")
        elif choice < 0.25:
            one = rng.choice(known)
            if one.peer.connection.session is not None and "den" not in one.peer.connection.session.rooms:
                fields = {"messageId": "00000000-0000-0000-0000-000000000000", "timestamp": 1}
                join = {"type": "command", "channel": "room:den", "payload": {"action": "join"}, **fields}
                sender = one.peer.user
                world.hub.receive(one.peer.connection, world.wire.json.convert({**join, "sender": sender}))
        elif choice < 0.4:
            one = rng.choice(known)
            one.take()
            world.hub.disconnect(one.peer.connection)
            one.begun = False
            positions = {log.replace(":", "_"): Position(world_epoch(), at) for log, at in one.positions.items()}
            one.peer = world.restore(one.peer, **positions)
        else:
            publish(rng.choice(("room:den", "room:den", "all", "user:u0", "user:u1", "user:u2")))

    def world_epoch() -> str:
        return store._inner.head("all").epoch

    for _ in range(150):
        act()
        for _ in range(rng.choice((0, 0, 1, 3))):
            world.settle()
            await asyncio.sleep(0)
        for one in listeners:
            one.take()
    for _ in range(20):
        world.settle()
        await journal.settle()
    for one in listeners:
        one.take()
        assert one.begun
        session = one.peer.connection.session
        assert session is not None
        for log in session.logs():
            assert one.positions.get(log, 0) == published.get(log, 0), (log, one.peer.user)
