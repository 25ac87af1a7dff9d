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
