"""What a simulation with late logs, small memory and frozen links found, each as small as it gets.

Each was a fault once.
"""

from __future__ import annotations

import asyncio
import gc
import uuid
import warnings
from collections.abc import Sequence
from typing import Any

import hubbub
from hubbub.backends.memory.log import MemoryLog
from hubbub.node.journal import LogJournal
from hubbub.ports import Append, Appended, Page, Refused
from hubbub.protocol.payloads import Position
from hubbub.testing.loop import virtual
from hubbub.testing.transport import RecordingTransport
from tests.hub.world import World


class HeldLog:
    """Reads are answered when the test says so; all else at once."""

    def __init__(self) -> None:
        self.inner = MemoryLog()
        self.held: list[asyncio.Future[None]] = []

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:
        return self.inner.append(batch)

    async def read(self, log: str, **query: Any) -> Page:
        page = self.inner.read(log, **query)
        self.held.append(asyncio.get_running_loop().create_future())
        await self.held[-1]
        return page

    def head(self, log: str) -> Position:
        return self.inner.head(log)

    def forget(self, session: str) -> None: ...

    def close(self) -> None: ...


async def some_turns(world: World) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
        world.settle()


@virtual
async def test_two_topics_of_a_log_entered_at_once_at_a_late_log() -> None:
    """The second one's ack names a position that the session has passed: what lies between is lost in silence."""
    world = World()
    store = HeldLog()
    world.hub.journal = LogJournal(world.hub, store)
    author, reader = world.connect("ann"), world.connect("bob")
    author.text("topic:a.x", "before")
    epoch = store.head("topic:a").epoch
    position = {"epoch": epoch, "offset": 1}
    reader.say("subscribe", channel="topic:a.y", payload={"position": position})
    reader.say("subscribe", channel="topic:a.x", payload={"position": position})
    await some_turns(world)
    first, second = store.held
    first.set_result(None)
    await some_turns(world)
    author.text("topic:a.x", "between")
    second.set_result(None)
    await some_turns(world)
    came = reader.take()
    ack = [message for message in came if message.type == "ack"][-1]
    got = [message.offset for message in came if message.type == "text"]
    # Offset 2 is for this subscription: it is either delivered, or behind the position that the ack tells.
    assert 2 in got or ack.payload.offset >= 2


def test_a_reader_that_lags_in_a_log_that_memory_had_no_room_for() -> None:
    """The hub takes turn after turn, with all of a core, until somebody writes to that log again."""
    world = World(memory_limit=4000)
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("a.x")
    bob.pause()
    ann.text("topic:a.x", "one")
    ann.text("topic:a.x", "two")
    for number in range(12):
        ann.text(f"topic:b{number}.x", "makes the log topic:a the oldest one, which goes")
    assert not world.store.read("topic:a", limit=10).entries
    world.hub.resume(bob.connection)
    for _ in range(100):
        if not world.turns:
            break
        world.turns = 0
        world.hub.turn()
    assert world.turns == 0
    position, gap = bob.take()
    # Nothing was ever in this one, but whoever comes back has to know its epoch.
    assert (position.type, list(position.payload.positions)) == ("position", ["all"])
    assert position.payload.positions["all"].epoch == world.store.head("all").epoch
    assert (gap.type, gap.channel) == ("gap", "topic:a")
    ann.text("topic:a.x", "three")
    assert bob.contents() == ["three"]


@virtual
async def test_a_connection_that_ends_with_a_message_in_hand() -> None:
    """Under `-W error` that is an error nobody can catch."""
    app = hubbub.Hubbub(anonymous=True)

    @app.middleware
    async def nothing(context: Any, message: Any, call_next: Any) -> None:
        await call_next(message)

    await app.start(listen=False)
    talk = app.server.attach(RecordingTransport())
    talk.received('{"type":"hello","payload":{"user":"ann"}}', 40)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        talk.received(f'{{"type":"subscribe","messageId":"{uuid.uuid4()}","channel":"topic:a.x"}}', 90)
        talk.closed()
        await asyncio.sleep(0)
        del talk
        gc.collect()
    await app.stop()
    assert [str(warning.message) for warning in told] == []


class FailingLog(MemoryLog):
    """Heads cannot be had once it fails."""

    is_failing = False

    def head(self, log: str) -> Any:
        return self._fail() if self.is_failing and log == "room:den" else super().head(log)

    async def _fail(self) -> Position:
        raise OSError("no disk")


@virtual
async def test_a_join_that_failed_is_not_announced_as_a_leave() -> None:
    world = World()
    store = FailingLog()
    world.hub.journal = LogJournal(world.hub, store)
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den")
    world.hub.feeds.leave(ann.connection.session, "room:den")
    ann.take()
    store.is_failing = True
    bob.command("join", "den")
    await some_turns(world)
    assert [message.type for message in bob.take()] == ["error"]
    assert [message.payload.event for message in ann.take() if message.type == "presence"] == []
