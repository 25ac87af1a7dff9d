"""What configuration says of a channel's log."""

from typing import Any

from hubbub.config import ChannelSettings
from tests.hub.world import Peer, World


def offsets(messages: list[Any]) -> list[int]:
    return [message.offset for message in messages if message.type == "text"]


def stalled(world: World) -> tuple[Peer, Peer]:
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.take()
    bob.pause()
    return ann, bob


def test_who_falls_off_may_be_sent_away_and_comes_back() -> None:
    world = World(retention_messages=3, channels=(ChannelSettings(channel="room:*", overrun="disconnect"),))
    ann, bob = stalled(world)
    for number in range(6):
        ann.text("room:den", str(number))
    bob.resume()
    assert bob.transport.closed is not None
    assert bob.transport.closed[0] == 4410
    bob.leave()
    answer, *rest = world.restore(bob).take()
    assert (answer.payload.channels["room:den"].recovered, offsets(rest)) == (False, [4, 5, 6])


def test_only_the_newest_of_each_key_counts_where_a_channel_conflates() -> None:
    rule = ChannelSettings(channel="room:*", overrun="conflate", key="metadata.key")
    world = World(retention_messages=2, channels=(rule,))
    ann, bob = stalled(world)
    for number, key in enumerate(("a", "b", "a", "a", "c")):
        ann.text("room:den", str(number), metadata={"key": key})
    bob.resume()
    assert [(m.type, m.payload.content) for m in bob.take() if m.type != "presence"] == [
        ("text", "1"),
        ("text", "3"),
        ("text", "4"),
    ]
    ann.text("room:den", "without a key")


def test_a_rule_changes_the_retention_of_its_logs_alone() -> None:
    world = World(channels=(ChannelSettings(channel="topic:small", messages=2),))
    ann = world.connect("ann")
    for number in range(5):
        ann.text("topic:small", str(number)), ann.text("topic:large", str(number))
    assert [len(world.store.read(log, limit=9).entries) for log in ("topic:small", "topic:large")] == [2, 5]


def mixed_world() -> World:
    """A log that conflates what has a key, and keeps two of what has none."""
    rule = ChannelSettings(channel="*", overrun="conflate", key="metadata.key")
    return World(retention_messages=2, channels=(rule,))


def told(messages: list[Any]) -> list[Any]:
    """Offsets of messages, and ranges of gaps."""
    return [
        (message.payload.start, message.payload.to) if message.type == "gap" else message.offset
        for message in messages
        if message.type in ("gap", "text")
    ]


def publish_mixed(ann: Peer, channel: str, keyed: str | None = None) -> None:
    for number in range(1, 7):
        if number == 2:
            ann.text(keyed or channel, "keyed", metadata={"key": "k"})
        else:
            ann.text(channel, str(number))


def test_what_a_log_kept_by_key_comes_before_the_gap_in_what_had_none() -> None:
    ann, bob = stalled(mixed_world())
    publish_mixed(ann, "room:den")
    bob.resume()
    assert told(bob.take()) == [(1, 1), 2, (3, 4), 5, 6]


def test_a_gap_is_one_where_what_was_kept_in_it_is_for_others() -> None:
    world = mixed_world()
    ann, bob = world.connect("ann"), world.connect("bob")
    bob.subscribe("a.x")
    bob.pause()
    publish_mixed(ann, "topic:a.x", keyed="topic:a.y")
    bob.resume()
    assert told(bob.take()) == [(1, 4), 5, 6]


def test_a_session_that_comes_back_gets_what_was_kept_by_key() -> None:
    world = mixed_world()
    ann, bob = stalled(world)
    bob.leave()
    publish_mixed(ann, "room:den")
    answer, *rest = world.restore(bob).take()
    restored = answer.payload.channels["room:den"]
    assert (restored.recovered, restored.offset) == (True, 0)
    assert told(rest) == [(1, 1), 2, (3, 4), 5, 6]


def test_a_position_that_cannot_be_goes_on_from_the_oldest_kept_by_key() -> None:
    world = mixed_world()
    ann, _ = stalled(world)
    publish_mixed(ann, "room:den")
    cara = world.connect("cara")
    ack, *rest = cara.command("join", "den", position={"epoch": "another", "offset": 5})
    assert (ack.payload.recovered, ack.payload.offset) == (False, 1)
    assert told(rest) == [2, (3, 4), 5, 6]


def test_everything_lost_but_nothing_left_is_one_gap() -> None:
    world = World(retention_age=10.0)
    ann, bob = stalled(world)
    for number in range(3):
        ann.text("room:den", str(number))
    world.wait(11)
    bob.resume()
    assert told(bob.take()) == [(1, 3)]
    ann.text("room:den", "live")
    assert told(bob.take()) == [4]
