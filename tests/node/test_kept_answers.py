"""Where sessions are kept, an answer waits for that; nothing that follows from it comes before it."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from hubbub import Hubbub
from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.ports import SessionRecord
from hubbub.protocol.wire import profile_of
from hubbub.server.conversation import Conversation
from hubbub.testing.loop import virtual
from hubbub.testing.transport import RecordingTransport


class HeldSessions(MemorySessions):
    """A save is done when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[asyncio.Future[bool]] = []
        self.records: list[SessionRecord] = []
        self.is_holding = True

    def save(self, record: SessionRecord) -> Any:
        self.records.append(record)
        if not self.is_holding:
            return super().save(record)
        self.held.append(asyncio.get_running_loop().create_future())
        return self.held[-1]

    def done(self) -> None:
        for held in self.held:
            held.set_result(True)
        self.held.clear()

    def fail(self) -> None:
        for held in self.held:
            held.set_exception(OSError("the disk is full"))
        self.held.clear()


class Peer:
    def __init__(self, app: Hubbub, user: str) -> None:
        self.app = app
        self.user = user
        self.transport = RecordingTransport()
        self.talk: Conversation = app.server.attach(self.transport)

    def say(self, type: str, **fields: Any) -> None:
        value = {"type": type, "messageId": str(uuid.uuid4()), "timestamp": 1, "sender": self.user, **fields}
        self.talk.received(json.dumps(value), 100)

    def hello(self) -> None:
        self.say("hello", version="1.2", payload={"user": self.user})

    def join(self) -> None:
        self.say("command", channel="room:den", payload={"action": "join"})

    async def take(self) -> list[Any]:
        """What came, as far as it can without a save."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.transport.take(self.app.hub.wire, profile_of("json"))


def kinds(messages: list[Any]) -> list[Any]:
    return [message.payload.content if message.type == "text" else message.type for message in messages]


async def start() -> tuple[Hubbub, HeldSessions]:
    sessions = HeldSessions()
    app = Hubbub(anonymous=True, log=MemoryLog(), sessions=sessions, directory=MemoryDirectory())
    await app.start(listen=False)
    return app, sessions


async def stop(app: Hubbub, sessions: HeldSessions) -> None:
    sessions.is_holding = False
    sessions.done()
    await app.stop()


async def welcomed(app: Hubbub, sessions: HeldSessions, user: str) -> Peer:
    peer = Peer(app, user)
    peer.hello()
    await peer.take()
    sessions.done()
    assert kinds(await peer.take()) == ["welcome"]
    return peer


@virtual
async def test_the_welcome_waits_and_what_comes_meanwhile_comes_behind_it() -> None:
    app, sessions = await start()
    ann = Peer(app, "ann")
    ann.hello()
    assert await ann.take() == []
    (record,) = sessions.records
    # Where it begins is kept with it: from there it goes on, whatever happens before the client says so.
    state = json.loads(record.state)
    assert (state["inbox"]["offset"], state["rests"]["all"]["position"]["offset"]) == (0, 0)
    await app.broadcast("to all")
    await app.publish("user:ann", "to you")
    assert await ann.take() == []
    sessions.done()
    welcome, *rest = await ann.take()
    assert welcome.type == "welcome"
    assert {log: position.offset for log, position in welcome.payload.positions.items()} == {"all": 0, "user:ann": 0}
    assert sorted(kinds(rest)) == ["to all", "to you"]
    await app.publish("user:ann", "live")
    assert kinds(await ann.take()) == ["live"]
    await stop(app, sessions)


@virtual
async def test_the_ack_of_a_join_waits_and_deliveries_come_behind_it() -> None:
    app, sessions = await start()
    ann = await welcomed(app, sessions, "ann")
    ann.join()
    assert await ann.take() == []
    assert json.loads(sessions.records[-1].state)["rooms"] == ["den"]
    await app.publish("room:den", "one")
    assert await ann.take() == []
    sessions.done()
    ack, *rest = await ann.take()
    assert (ack.type, ack.payload.offset, kinds(rest)) == ("ack", 0, ["one"])
    await app.publish("room:den", "two")
    assert kinds(await ann.take()) == ["two"]
    await stop(app, sessions)


@virtual
async def test_another_topic_of_a_log_that_is_read_holds_the_whole_log_back_for_that_time() -> None:
    app, sessions = await start()
    ann = await welcomed(app, sessions, "ann")
    ann.say("subscribe", channel="topic:a.x")
    await ann.take()
    sessions.done()
    assert kinds(await ann.take()) == ["ack"]
    ann.say("subscribe", channel="topic:a.y")
    await app.publish("topic:a.x", "x")
    await app.publish("topic:a.y", "y")
    assert await ann.take() == []
    sessions.done()
    assert kinds(await ann.take()) == ["ack", "x", "y"]
    await stop(app, sessions)


@virtual
async def test_two_answers_of_a_log_are_both_waited_for() -> None:
    app, sessions = await start()
    ann = await welcomed(app, sessions, "ann")
    ann.say("subscribe", channel="topic:a.x")
    await ann.take()
    first = sessions.held.pop()
    ann.say("subscribe", channel="topic:a.y")
    await app.publish("topic:a.x", "x")
    await app.publish("topic:a.y", "y")
    first.set_result(True)
    assert kinds(await ann.take()) == ["ack"]
    sessions.done()
    assert kinds(await ann.take()) == ["ack", "x", "y"]
    await stop(app, sessions)


@virtual
async def test_what_ends_a_membership_waits_as_well() -> None:
    app, sessions = await start()
    ann = await welcomed(app, sessions, "ann")
    ann.join()
    await ann.take()
    sessions.done()
    await ann.take()
    ann.say("command", channel="room:den", payload={"action": "leave"})
    assert await ann.take() == []
    assert json.loads(sessions.records[-1].state)["rooms"] == []
    sessions.done()
    assert kinds(await ann.take()) == ["ack"]
    await stop(app, sessions)


@virtual
async def test_a_disk_that_is_full_keeps_nobody_out() -> None:
    app, sessions = await start()
    ann = Peer(app, "ann")
    ann.hello()
    await ann.take()
    sessions.fail()
    assert kinds(await ann.take()) == ["welcome"]
    await stop(app, sessions)


@virtual
async def test_who_was_put_out_before_the_answer_is_not_told_to_be_in() -> None:
    app, sessions = await start()
    ann = await welcomed(app, sessions, "ann")
    ann.join()
    await ann.take()
    app.rooms.kick("ann", "den")
    assert kinds(await ann.take()) == ["unsubscribed", "system"]
    sessions.done()
    (refused,) = await ann.take()
    assert (refused.type, refused.code) == ("error", "not_joined")
    await stop(app, sessions)


@virtual
async def test_a_connection_that_ends_while_its_answer_waits() -> None:
    app, sessions = await start()
    ann = Peer(app, "ann")
    ann.hello()
    await ann.take()
    ann.talk.closed()
    sessions.done()
    assert await ann.take() == []
    bob = await welcomed(app, sessions, "bob")
    bob.join()
    await bob.take()
    bob.talk.closed()
    sessions.done()
    assert await bob.take() == []
    await app.publish("room:den", "for nobody")
    await stop(app, sessions)
