"""Deliveries that are acknowledged: the window, redelivery, and acks for what was never sent."""

from typing import Any

import pytest

from tests.hub.world import Peer, World, error


def acknowledge(peer: Peer, offset: int, channel: str = "room:den", **more: Any) -> list[Any]:
    fields = {"type": "ack", "channel": channel, "offset": offset, **more}
    peer.world.hub.receive(peer.connection, peer.world.wire.json.convert(fields))
    return peer.take()


def reading(ack: bool = True) -> tuple[World, Peer, Peer]:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den", ack=ack)
    ann.take()
    return world, ann, bob


def offsets(messages: list[Any]) -> list[int]:
    return [message.offset for message in messages if message.type == "text"]


def test_at_most_256_are_unacknowledged_and_then_the_position_waits() -> None:
    _, ann, bob = reading()
    for number in range(300):
        ann.text("room:den", str(number))
    assert offsets(bob.take()) == list(range(1, 257))
    assert offsets(acknowledge(bob, 64)) == []
    assert offsets(acknowledge(bob, 200)) == list(range(257, 301))
    assert acknowledge(bob, 300) == []
    ann.text("room:den", "live again")
    assert offsets(bob.take()) == [301]


def test_without_progress_for_5_s_it_comes_again_three_times_then_the_end() -> None:
    world, ann, bob = reading()
    for number in range(3):
        ann.text("room:den", str(number))
    assert offsets(bob.take()) == [1, 2, 3]
    acknowledge(bob, 1)
    for _ in range(3):
        world.wait(4)
        assert offsets(bob.take()) == []
        world.wait(1)
        assert offsets(bob.take()) == [2, 3]
    assert bob.transport.closed is None
    world.wait(6)
    assert bob.transport.closed is not None
    assert bob.transport.closed[0] == 4410
    bob.leave()
    again = world.restore(bob)
    assert offsets(again.take()) == [2, 3]


def test_progress_begins_the_time_and_the_count_anew() -> None:
    world, ann, bob = reading()
    for number in range(4):
        ann.text("room:den", str(number))
    for offset in (1, 2, 3):
        for _ in range(3):
            world.wait(6)
        bob.take()
        acknowledge(bob, offset)
    assert bob.transport.closed is None


def test_while_the_socket_is_full_the_time_does_not_run() -> None:
    world, ann, bob = reading()
    ann.text("room:den", "1")
    bob.take()
    bob.transport.unread = 10
    world.wait(20)
    assert offsets(bob.take()) == []
    bob.transport.unread = 0
    world.wait(6)
    assert offsets(bob.take()) == [1]


def test_acks_by_message_id() -> None:
    world, ann, bob = reading()
    ids = [ann.text("room:den", str(number))[0].message_id for number in range(3)]
    bob.take()
    bob.world.hub.receive(bob.connection, world.wire.json.convert({"type": "ack", "messageId": ids[1].upper()}))
    assert bob.take() == []
    world.wait(6)
    assert offsets(bob.take()) == [3]
    unknown = "00000000-0000-0000-0000-000000000000"
    bob.world.hub.receive(bob.connection, world.wire.json.convert({"type": "ack", "messageId": unknown}))
    answers = bob.take()
    assert (error(answers), answers[0].payload.field) == ("not_found", "messageId")


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"offset": 9, "channel": "room:den"}, "invalid_message", "offset"),
        ({"offset": 1, "channel": "room:other"}, "not_joined", "channel"),
        ({"offset": 1}, "invalid_channel", "channel"),
        ({"offset": 1, "channel": "room:den", "epoch": "x"}, "invalid_message", "epoch"),
        ({}, "invalid_message", "offset"),
    ],
)
def test_acks_for_what_was_never_sent(fields: dict[str, Any], code: str, field: str) -> None:
    world, ann, bob = reading()
    ann.text("room:den", "1")
    bob.take()
    world.hub.receive(bob.connection, world.wire.json.convert({"type": "ack", **fields}))
    answers = bob.take()
    assert (error(answers), answers[0].payload.field) == (code, field)


def test_an_ack_nobody_asked_for_is_where_the_session_goes_on() -> None:
    world, ann, bob = reading(ack=False)
    for number in range(3):
        ann.text("room:den", str(number))
    bob.take()
    acknowledge(bob, 1)
    bob.leave()
    assert offsets(world.restore(bob).take()) == [2, 3]


def test_when_one_subscription_of_a_log_asks_for_acks_all_its_deliveries_are_awaited() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("a.x"), bob.subscribe("a.y", ack=True)
    ann.text("topic:a.x", "1"), ann.text("topic:a.z", "not for bob"), ann.text("topic:a.y", "3")
    assert offsets(bob.take()) == [1, 3]
    world.wait(6)
    assert offsets(bob.take()) == [1, 3]
    acknowledge(bob, 3, "topic:a")
    world.wait(6)
    assert offsets(bob.take()) == []


def test_a_stalled_filter_does_not_wait_for_acks_of_what_is_not_its_own() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("a.x", ack=True)
    for number in range(400):
        ann.text("topic:a.other", str(number))
    ann.text("topic:a.x", "mine")
    assert offsets(bob.take()) == [401]


def test_only_what_is_for_a_reader_counts_in_its_window() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("news.rare", ack=True)
    for number in range(600):
        ann.text("topic:news.rare" if number % 2 else "topic:news.other", str(number))
        ann.take()
    assert offsets(bob.take()) == list(range(2, 513, 2)), "256 of its own, whatever lies between"
    assert offsets(acknowledge(bob, 512, "topic:news.rare")) == list(range(514, 601, 2))


def test_a_subscription_that_comes_later_asks_for_no_acks_of_what_was_before_it() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("news.a", ack=True)
    ann.text("topic:news.b", "not for bob")
    bob.subscribe("news.b")
    bob.take()
    for _ in range(4):
        world.wait(6)
    assert bob.take() == []
    assert bob.transport.closed is None


def test_the_time_runs_from_the_delivery_also_after_a_long_silence() -> None:
    world, ann, bob = reading()
    world.wait(4.5)
    ann.text("room:den", "1")
    bob.take()
    world.wait(4.5)
    assert bob.take() == []
    world.wait(0.5)
    assert offsets(bob.take()) == [1]


def test_one_wave_larger_than_the_window() -> None:
    world, ann, bob = reading()
    message = {"type": "text", "timestamp": 1, "sender": "ann", "channel": "room:den", "payload": {"content": "x"}}
    for number in range(600):
        fields = {**message, "messageId": f"00000000-0000-0000-0000-{number:012}"}
        world.hub.receive(ann.connection, world.wire.json.convert(fields))
    seen = offsets(bob.take())
    while seen[-1] < 600:
        seen += offsets(acknowledge(bob, seen[-1]))
    assert seen == list(range(1, 601))


def test_a_link_over_half_a_second_is_read_for_a_stretch_a_round_trip() -> None:
    world, ann, bob = reading(ack=False)
    bob.connection.round_trip = 0.9
    world.wait(6, pongs=False)
    assert bob.connection.throttled
    for _ in range(400):
        ann.text("room:den", "x" * 1000)
    assert offsets(bob.take()) == []
    seen: list[int] = []
    while len(seen) < 400:
        bob.connection.pinged_at = bob.connection.pinged_at or world.clock() - 0.9
        world.hub.watch.ponged(bob.connection)
        more = offsets(bob.take())
        assert 0 < len(more) < 400
        seen += more
    assert seen == list(range(1, 401))
    world.clock.advance(0.1)
    bob.connection.round_trip = 0.05
    world.wait(6)
    ann.text("room:den", "pushed")
    assert offsets(bob.take()) == [401]
