"""Acknowledgement, repeats, versions, ephemeral types, history; a log that answers later or not at all."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from hubbub.backends.memory.log import MemoryLog
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.node.journal import LogJournal
from hubbub.ports import Append, Appended, Page
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.payloads import Position
from hubbub.protocol.versions import ProtocolVersion
from tests.hub.world import World, error


def test_a_repeat_gets_the_same_offset_and_is_delivered_once() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    id = str(uuid.uuid4())
    ann.take()
    first = ann.text("room:den", "one", messageId=id)
    again = ann.text("room:den", "other content", messageId=id.upper())
    assert [m.offset for m in first] == [1, 1]
    assert [(m.type, m.offset, m.message_id) for m in again] == [("ack", 1, id.upper())]
    assert bob.contents() == ["one"]
    assert bob.text("room:den", "bob's own", messageId=id)[0].offset == 2, "another session, another message"


def test_a_sender_is_who_it_is() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.take()
    answers = ann.text("room:den", "I am bob", sender="bob")
    assert (error(answers), answers[0].payload.field) == ("forbidden", "sender")
    assert error(ann.say("ping", sender="bob")) == "forbidden"
    assert bob.contents() == []


def test_what_only_the_server_says_is_refused() -> None:
    world = World()
    ann = world.connect("ann")
    refused = ann.say("system", payload={"content": "shutdown", "level": "error"})
    assert (error(refused), refused[0].payload.field) == ("invalid_message", "type")


def test_mentions_are_hidden_from_1_0_and_ignored_from_it() -> None:
    world = World()
    new, old = world.connect("new"), world.connect("old", version=ProtocolVersion(1, 0))
    old_protobuf = world.connect("older", version=ProtocolVersion(1, 0), codec="protobuf")
    for peer in (new, old, old_protobuf):
        peer.join("den")
    for peer in (new, old, old_protobuf):
        peer.take()
    text = {"content": "hi", "mentions": ["old"]}
    own = new.say("text", channel="room:den", payload=text)[1]
    assert own.payload.mentions == ["old"]
    assert old.take()[0].payload.mentions == []
    assert old_protobuf.take()[0].payload.mentions == []
    old.say("text", channel="room:den", payload=text)
    assert new.take()[0].payload.mentions == []
    new.say("text", channel="room:den", payload=text, version="1.0")
    assert old.take()[0].payload.content == "hi"
    assert error(new.say("ping", version="1.3")) == "unsupported_version"
    assert error(new.say("ping", version="2.0")) == "unsupported_version"
    assert error(new.say("ping", version="0.9")) == "unsupported_version"


def test_a_delivery_is_encoded_once_a_profile_and_equal_for_all() -> None:
    world = World()
    peers = [world.connect(f"u{number}") for number in range(60)]
    for peer in peers:
        peer.subscribe("a.b")
    calls = []
    encode = world.wire.delivery_frame
    world.wire.delivery_frame = lambda *given: calls.append(given) or encode(*given)  # type: ignore[method-assign]
    peers[0].text("topic:a.b", "hi")
    frames = {id(peer.transport.writes[0]) for peer in peers[1:]}
    assert (len(calls), len(frames)) == (1, 1)


def test_a_turns_messages_are_one_write() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.take(), bob.take()
    for content in "abc":
        value = {
            "type": "text",
            "messageId": str(uuid.uuid4()),
            "timestamp": 1,
            "sender": "ann",
            "channel": "room:den",
            "payload": {"content": content},
        }
        world.hub.receive(ann.connection, world.wire.json.convert(value))
    world.settle()
    assert (len(bob.transport.writes), len(ann.transport.writes)) == (1, 1)
    assert bob.contents() == ["a", "b", "c"]


def test_ephemeral_messages_are_not_stored_and_not_for_their_author() -> None:
    class Typing(msgspec.Struct):
        on: bool

    catalog = Catalog()
    catalog.register("typing", Typing, ephemeral=True)
    world = World(catalog)
    ann, bob = world.connect("ann"), world.connect("bob", codec="protobuf")
    ann.join("den"), bob.join("den")
    ann.take()
    ack = ann.say("typing", channel="room:den", payload={"on": True})
    assert [(m.type, m.offset) for m in ack] == [("ack", msgspec.UNSET)]
    assert [(m.type, m.offset) for m in bob.take()] == [("typing", msgspec.UNSET)]
    assert ann.say("history", channel="room:den")[0].messages == []
    bob.pause()
    ann.say("typing", channel="room:den", payload={"on": False})
    bob.resume()
    assert bob.take() == []


def test_history_in_both_directions() -> None:
    world = World(retention_messages=400)
    ann = world.connect("ann")
    ann.join("den")
    for number in range(1, 351):
        ann.text("room:den", str(number))

    def ask(**query: int) -> tuple[list[int], bool]:
        answer = ann.say("history", channel="room:den", payload=query)[0]
        return [message.offset for message in answer.messages], answer.payload.complete

    assert ask(limit=3) == ([348, 349, 350], False)
    assert ask(after=348) == ([349, 350], True)
    assert ask(after=10, limit=2) == ([11, 12], False)
    assert ask(before=4) == ([1, 2, 3], True)
    assert ask(before=4, limit=2) == ([2, 3], False)
    assert ask(after=1, before=4) == ([2, 3], True)
    assert ask(limit=0) == ([], False)
    everything, complete = ask(limit=1000)
    assert (len(everything), everything[-1], complete) == (300, 350, False)
    assert ask(after=350) == ([], True)


def test_history_of_a_topic_is_the_topics() -> None:
    world = World()
    ann = world.connect("ann")
    for topic in ("a.x", "a.y", "a.x.z", "b.x"):
        ann.text(f"topic:{topic}", topic)

    def ask(topic: str) -> list[str]:
        return [m.payload.content for m in ann.say("history", channel=f"topic:{topic}")[0].messages]

    assert (ask("a.x"), ask("a.*"), ask("a.**")) == (["a.x"], ["a.x", "a.y"], ["a.x", "a.y", "a.x.z"])


class LateLog:
    """A log that answers later, or fails."""

    def __init__(self) -> None:
        self.inner = MemoryLog()
        self.broken = False

    async def append(self, batch: Sequence[Append]) -> Sequence[Any]:
        await asyncio.sleep(0)
        if self.broken:
            raise OSError("disk full")
        return self.inner.append(batch)

    async def read(self, log: str, **query: Any) -> Page:
        await asyncio.sleep(0)
        return self.inner.read(log, **query)

    async def head(self, log: str) -> Position:
        await asyncio.sleep(0)
        return self.inner.head(log)

    def forget(self, session: str) -> None:
        self.inner.forget(session)


async def test_a_log_may_answer_later_or_not_at_all() -> None:
    world = World()
    ann = world.connect("ann")
    store = LateLog()
    journal = world.hub.journal = LogJournal(world.hub, store)

    async def settle() -> list[Any]:
        world.settle()
        for _ in range(10):
            await journal.settle()
            world.settle()
        return ann.take()

    ann.command("join", "den")
    assert [m.type for m in await settle()] == ["ack"]
    for content in ("one", "two"):
        assert ann.text("room:den", content) == []
    assert [m.offset for m in await settle() if m.type == "text"] == [1, 2]
    store.broken = True
    ann.text("room:den", "lost?")
    assert error(await settle()) == "unavailable"
    store.broken = False
    ann.text("room:den", "three")
    assert [m.offset for m in await settle()] == [3, 3]


def test_the_log_in_memory_keeps_what_it_is_told_to() -> None:
    clock_at = [0.0]
    policy = RetentionPolicy(Retention(messages=3, size=1000, age=10))
    log = MemoryLog(retention=policy, memory=5900, clock=lambda: clock_at[0])

    def put(name: str, size: int = 10) -> Appended:
        result = log.append([Append(name, b"{" + b"x" * (size - 1))])[0]
        assert isinstance(result, Appended)
        return result

    offsets = [put("a").offset for _ in range(5)]
    page = log.read("a", limit=10)
    assert (offsets, [o for o, _ in page.entries], page.oldest, page.head) == ([1, 2, 3, 4, 5], [3, 4, 5], 3, 5)
    put("a", 995)
    assert log.read("a", limit=10).oldest == 6
    clock_at[0] = 11.0
    page = log.read("a", limit=10)
    assert (page.entries, page.oldest, page.head) == ([], 7, 6)
    epoch = put("a").epoch
    put("b", 990), put("c", 990), put("d", 990)
    assert log.read("a", limit=1).head == 0, "the log that was silent longest went"
    assert put("a").epoch != epoch
