"""Readers that lag, and joining with a position: everything once and in order, or a gap."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.hub.world import Peer, World


def position(epoch: str, offset: int) -> dict[str, Any]:
    return {"position": {"epoch": epoch, "offset": offset}}


def test_a_full_socket_is_read_from_the_log_when_it_drains() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    bob.take()
    bob.pause()
    for number in range(300):
        ann.text("room:den", str(number))
    assert bob.take() == []
    bob.resume()
    assert bob.contents() == [str(number) for number in range(300)]
    ann.text("room:den", "live again")
    assert bob.contents() == ["live again"]


def test_what_is_no_longer_kept_is_one_gap_with_its_range() -> None:
    world = World(retention_messages=10)
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.text("room:den", "seen")
    bob.take()
    bob.pause()
    for number in range(2, 31):
        ann.text("room:den", str(number))
    bob.resume()
    gap, snapshot, *rest = bob.take()
    assert (snapshot.type, snapshot.payload.members) == ("presence", ["ann", "bob"])
    assert (gap.type, gap.channel, gap.payload.start, gap.payload.to) == ("gap", "room:den", 2, 20)
    assert [message.offset for message in rest] == list(range(21, 31))


def test_whoever_does_not_read_is_closed_above_the_limit() -> None:
    world = World()
    ann = world.connect("ann")
    ann.pause()
    ann.transport.unread = world.settings.write_limit + 1
    ann.say("ping")
    assert ann.transport.closed is not None
    assert ann.transport.closed[0] == 4410


def test_presence_missed_while_stalled_comes_as_a_snapshot() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den")
    ann.pause()
    bob.join("den")
    assert ann.take() == []
    ann.resume()
    snapshot = [message.payload for message in ann.take() if message.type == "presence"]
    assert [(payload.count, payload.members) for payload in snapshot] == [(2, ["ann", "bob"])]


def test_joining_with_a_position_brings_what_was_missed_before_anything_newer() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    epoch = ann.join("den").payload.epoch
    for content in "abc":
        ann.text("room:den", content)
    ack, *missed = bob.command("join", "den", **position(epoch, 1))
    assert (ack.payload.recovered, ack.payload.offset) == (True, 1)
    assert [message.payload.content for message in missed] == ["b", "c"]
    ann.text("room:den", "d")
    assert bob.contents() == ["d"]


def test_positions_that_cannot_be() -> None:
    world = World(retention_messages=2)
    ann = world.connect("ann")
    epoch = ann.join("den").payload.epoch
    for content in "abcd":
        ann.text("room:den", content)
    for wanted in (position("another", 3), position(epoch, 99), position(epoch, 1)):
        peer = world.connect("bob")
        ack, *rest = peer.command("join", "den", **wanted)
        assert (ack.payload.recovered, ack.payload.offset) == (False, 2)
        assert [message.payload.content for message in rest] == ["c", "d"], "no gap follows"
        peer.leave()


def test_a_position_on_a_log_that_is_read_already_is_ignored() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    epoch = bob.subscribe("a.x").payload.epoch
    ann.text("topic:a.y", "before")
    ack = bob.say("subscribe", channel="topic:a.y", payload=position(epoch, 0))
    assert [message.type for message in ack] == ["ack"]
    assert ack[0].payload.offset == 1


class Deliveries(RuleBasedStateMachine):
    """Whatever happens, each reader of the room gets everything since its join, once and in order, or a gap."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(retention_messages=8)
        self.author = self.world.connect("author")
        self.author.join("den")
        self.head = 0
        self.readers: dict[Peer, int] = {}
        self.paused: set[Peer] = set()

    @rule(codec=st.sampled_from(["json", "protobuf"]))
    @precondition(lambda self: len(self.readers) < 4)
    def join(self, codec: str) -> None:
        peer = self.world.connect(f"u{self.world.hub._next_connection}", codec=codec)
        peer.join("den")
        self.readers[peer] = self.head

    @rule(count=st.integers(1, 12))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.head += 1
            self.author.text("room:den", str(self.head))

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def stall_or_drain(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(list(self.readers)))
        if peer in self.paused:
            self.paused.discard(peer)
            peer.resume()
        else:
            self.paused.add(peer)
            peer.pause()

    @rule(data=st.data())
    @precondition(lambda self: self.readers)
    def close(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(list(self.readers)))
        del self.readers[peer]
        self.paused.discard(peer)
        peer.leave()

    @invariant()
    def everything_once_in_order_or_a_gap(self) -> None:
        for peer, had in list(self.readers.items()):
            at = had
            for message in peer.take():
                if message.type == "gap":
                    assert message.payload.start == at + 1
                    at = message.payload.to
                elif message.type == "text":
                    assert message.offset == at + 1
                    assert message.payload.content == str(message.offset)
                    at = message.offset
            if peer not in self.paused:
                assert at == self.head
            self.readers[peer] = at


Deliveries.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestDeliveries = Deliveries.TestCase
