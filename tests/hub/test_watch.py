"""Connections watched: pings, idleness, time limits, counters; and what a closed one leaves behind."""

import logging

import pytest

from hubbub.protocol.wire import profile_of
from hubbub.testing.transport import RecordingTransport
from tests.hub.world import World


def sweep(world: World, seconds: int) -> None:
    world.wait(seconds, pongs=False)


def test_a_ping_comes_5_s_after_a_write_and_then_every_25_s() -> None:
    world = World()
    ann = world.connect("ann")
    sweep(world, 5)
    assert ann.transport.pings == 0
    sweep(world, 1)
    assert ann.transport.pings == 1
    world.clock.advance(0.05)
    world.hub.watch.ponged(ann.connection)
    assert ann.connection.round_trip == pytest.approx(0.05)
    ann.connection.last_activity = world.clock()
    sweep(world, 24)
    assert ann.transport.pings == 1
    sweep(world, 2)
    assert ann.transport.pings == 2


def test_round_trips_are_smoothed_and_an_unasked_pong_is_nothing() -> None:
    world = World()
    ann = world.connect("ann")
    world.hub.watch.ponged(ann.connection)
    assert ann.connection.round_trip is None
    for sample in (0.1, 0.5):
        sweep(world, 30)
        world.clock.advance(sample)
        ann.connection.pinged_at = world.clock() - sample
        world.hub.watch.ponged(ann.connection)
    assert ann.connection.round_trip == pytest.approx(0.2)


def test_who_answers_nothing_for_8_s_is_dropped() -> None:
    world = World()
    ann = world.connect("ann")
    sweep(world, 6)
    assert ann.transport.pings == 1
    sweep(world, 8)
    assert not ann.transport.aborted
    sweep(world, 1)
    assert ann.transport.aborted


def test_idle_for_30_s_is_noticed_once() -> None:
    world = World(ping_interval=1000.0, ping_after_write=999.0)
    noticed: list[str] = []
    world.hub.watch.on_idle = lambda statistics: noticed.append(statistics.user)
    ann = world.connect("ann")
    sweep(world, 30)
    assert (noticed, ann.transport.pings) == ([], 0)
    sweep(world, 3)
    assert (noticed, ann.transport.pings) == (["ann"], 1)
    world.hub.watch.ponged(ann.connection)
    ann.connection.last_activity = world.clock()
    sweep(world, 31)
    assert noticed == ["ann", "ann"]


def test_who_says_nothing_is_closed_with_4408() -> None:
    world = World()
    transport = RecordingTransport()
    world.hub.connect(transport, profile_of("json"))
    sweep(world, 10)
    assert transport.closed is None
    sweep(world, 1)
    assert transport.closed is not None
    assert transport.closed[0] == 4408


def test_an_expired_token_has_25_s_of_grace() -> None:
    world = World()
    ann = world.connect("ann", expires_at=world.clock() + 10)
    for _ in range(7):
        sweep(world, 5)
        world.hub.watch.ponged(ann.connection)
    assert ann.transport.closed is None
    sweep(world, 1)
    assert ann.transport.closed is not None
    assert ann.transport.closed[0] == 4401
    assert "token_expired" in [
        m.code for m in ann.transport.take(world.wire, ann.connection.profile) if m.type == "error"
    ]


def test_statistics_come_every_5_s_and_a_broken_callback_harms_nothing() -> None:
    world = World()
    ann = world.connect("ann")
    ann.say("ping")
    seen = []

    def callback(totals: object) -> None:
        seen.append(totals)
        raise RuntimeError

    world.hub.watch.on_statistics = callback
    sweep(world, 11)
    assert len(seen) == 2
    one = world.hub.watch.of(ann.connection)
    assert (one.user, one.state, one.messages_out, one.bytes_out) == ("ann", "open", 2, ann.connection.bytes_out)
    assert one.age == one.idle == 11
    assert seen[0].connections == 1


def test_totals_are_logged_once_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    ann = world.connect("ann")
    with caplog.at_level(logging.INFO, "hubbub.connections"):
        ann.leave()
        ann.leave()
    assert [record.message.startswith("connection closed") for record in caplog.records] == [True]
    assert world.hub.watch.totals().messages_out == 1


def test_a_closed_client_leaves_every_set_it_was_in() -> None:
    world = World()
    hub = world.hub
    hub.groups.create("g")
    ann, bob = world.connect("ann", groups=["g"]), world.connect("bob", codec="protobuf")
    for peer in (ann, bob):
        peer.join("den"), peer.subscribe("a.b"), peer.subscribe("a.**")
    bob.text("user:ann", "hi")
    ann.pause()
    bob.text("room:den", "hi")
    ann.leave(), bob.leave()
    assert hub.connections == {}
    assert hub.feeds._feeds == {}
    world.wait(16)
    assert hub.rooms._of_user == {}
    world.clock.advance(3600)
    world.wait(1)
    assert len(hub.sessions) == 0
    assert hub.rooms.all() == []
    assert hub.rooms._of_user == {}
    assert hub.groups.by_key == {}
    assert hub.groups._sessions == {}
    assert all(not group.sessions for group in hub.groups._groups.values())
    assert len(world.store._seen) == 0
    assert hub.catchup._queue == type(hub.catchup._queue)()


def test_an_inbox_that_the_application_listens_to_reaches_the_sessions_too() -> None:
    world = World()
    ann = world.connect("ann")
    heard: list[str] = []
    stop = world.hub.listen("user:ann", lambda message: heard.append(message.payload.content))
    bob = world.connect("bob")
    bob.text("user:ann", "hi")
    assert (heard, ann.contents()) == (["hi"], ["hi"])
    stop()
    bob.text("user:ann", "again")
    assert (heard, ann.contents()) == (["hi"], ["again"])


def test_a_delivery_that_cannot_be_encoded_ends_those_connections_and_no_others() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob", codec="protobuf")
    ann.join("den"), bob.join("den")
    ann.take()

    def fail(message: object) -> bytes:
        raise RuntimeError

    world.wire.protobuf.encode = fail  # type: ignore[assignment]
    assert [message.type for message in ann.text("room:den", "hi")] == ["ack", "text"]
    assert bob.transport.closed is not None
    assert bob.transport.closed[0] == 1011
