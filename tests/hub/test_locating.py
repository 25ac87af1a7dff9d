"""Where a reader goes on that was away for longer than the log remembers."""

from __future__ import annotations

from typing import Any

from tests.hub.world import Peer, World


def read(messages: list[Any]) -> tuple[list[int], list[Any]]:
    """The offsets that came, and the gaps."""
    offsets = [message.offset for message in messages if message.type == "text"]
    return offsets, [message for message in messages if message.type == "gap"]


def fallen_off() -> tuple[World, Peer, Peer]:
    """Bob's session rests, and the room no longer has what comes next for it."""
    world = World(retention_messages=10)
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    bob.leave()
    for number in range(30):
        ann.text("room:den", str(number))
    return world, ann, bob


def test_retention_that_overtakes_a_restored_reader_before_it_reads_is_no_second_gap() -> None:
    world, ann, bob = fallen_off()
    back = world.restore(bob)
    # The turn that reads for the restored session appends this first, and drops the records at its position.
    ann.text("room:den", "30")
    answer, *rest = back.take()
    restored = answer.payload.channels["room:den"]
    assert (restored.recovered, restored.offset) == (False, 20)
    assert read(rest) == (list(range(21, 32)), [])


def test_nor_is_it_one_for_a_reader_that_joins() -> None:
    world, ann, _ = fallen_off()
    cara = world.connect("cara")
    id = "00000000-0000-4000-8000-000000000001"
    command = {"type": "command", "timestamp": 1, "sender": "cara", "channel": "room:den", "messageId": id}
    payload = {"action": "join", "position": {"epoch": "another", "offset": 3}}
    world.hub.receive(cara.connection, world.wire.json.convert({**command, "payload": payload}))
    ann.text("room:den", "30")
    ack, *rest = cara.take()
    assert (ack.payload.recovered, ack.payload.offset) == (False, 20)
    assert read(rest) == (list(range(21, 32)), [])


def test_a_reader_that_is_slow_after_its_first_stretch_may_well_have_another() -> None:
    world, ann, bob = fallen_off()
    back = world.restore(bob)
    back.pause()
    for number in range(30, 60):
        ann.text("room:den", str(number))
    back.resume()
    answer, *rest = back.take()
    assert answer.payload.channels["room:den"].offset == 20
    offsets, gaps = read(rest)
    # What was in hand came, and the range between is named.
    assert offsets == [*range(21, 31), *range(51, 61)]
    assert [(gap.payload.start, gap.payload.to) for gap in gaps] == [(31, 50)]
