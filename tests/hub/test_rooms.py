import pytest

from hubbub.errors import Conflict
from hubbub.protocol.versions import ProtocolVersion
from tests.hub.world import World, error


def test_a_join_makes_an_open_room_and_tells_who_is_there() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    first = ann.join("den")
    assert (first.payload.count, first.payload.members, first.payload.moderator) == (1, ["ann"], True)
    second = bob.join("den")
    assert (second.payload.count, second.payload.members, second.payload.moderator) == (2, ["ann", "bob"], False)
    assert [m.payload.event for m in ann.take()] == ["join"]
    room = world.hub.rooms.get("den")
    assert (room.name, room.capacity) == ("Room den", 100)
    assert world.hub.rooms.of_user("ann") == ["den"]


def test_members_talk_and_outsiders_do_not() -> None:
    world = World()
    ann, bob, eve = world.connect("ann"), world.connect("bob", codec="protobuf"), world.connect("eve")
    ann.join("den"), bob.join("den")
    ann.take()
    ack, own = sorted(ann.text("room:den", "hi"), key=lambda message: message.type)
    assert (ack.type, ack.offset, own.payload.content, own.offset) == ("ack", 1, "hi", 1)
    assert own.timestamp == world.clock.wall_ms()
    assert bob.contents() == ["hi"]
    assert error(eve.text("room:den", "me too")) == "not_joined"
    assert error(eve.text("room:nowhere", "me too")) == "not_joined"
    assert error(eve.say("history", channel="room:den")) == "not_joined"
    assert error(eve.say("presence", channel="room:den")) == "not_joined"
    assert ann.contents() == []


def test_a_room_holds_so_many_users_and_not_one_more() -> None:
    world = World(room_capacity=2)
    ann, ann_again, bob, eve = (world.connect(name) for name in ("ann", "ann", "bob", "eve"))
    ann.join("den"), bob.join("den")
    assert error(eve.command("join", "den")) == "room_full"
    assert ann_again.join("den").type == "ack", "a user counts once"
    assert error(ann.command("join", "den")) == "already_joined"
    ann.command("leave", "den")
    assert error(eve.command("join", "den")) == "room_full", "ann is still there with another session"
    ann_again.command("leave", "den")
    assert eve.join("den").type == "ack"


def test_the_capacity_is_100_by_default() -> None:
    world = World()
    for number in range(100):
        assert world.connect(f"u{number}").join("den").type == "ack"
    assert error(world.connect("one more").command("join", "den")) == "room_full"


def test_declared_rooms_only() -> None:
    world = World(open_rooms=False)
    ann = world.connect("ann")
    assert error(ann.command("join", "den")) == "not_found"
    world.hub.rooms.create("den", name="The den", capacity=5, metadata={"kind": "chat"})
    assert ann.join("den").payload.moderator is False
    with pytest.raises(Conflict) as raised:
        world.hub.rooms.create("den")
    assert raised.value.code == "already_exists"


def test_an_open_room_ends_with_its_last_member_and_so_does_the_creators_right() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    ann.join("den"), bob.join("den")
    ann.command("leave", "den")
    bob.command("leave", "den")
    assert world.hub.rooms.find("den") is None
    assert bob.join("den").payload.moderator is True
    ann.join("den")
    assert error(ann.command("kick", "den", target="bob")) == "forbidden"


def test_a_deleted_room_is_left_by_everyone() -> None:
    world = World()
    ann = world.connect("ann")
    world.hub.rooms.create("den")
    ann.join("den")
    world.hub.moderator.close("den")
    assert [message.type for message in ann.take()] == ["unsubscribed", "system"]
    assert error(ann.text("room:den", "hello?")) == "not_joined"
    with pytest.raises(Conflict):
        world.hub.moderator.close("den")


def test_the_creator_moderates() -> None:
    world = World()
    ann, bob, eve = world.connect("ann"), world.connect("bob"), world.connect("eve")
    ann.join("den"), bob.join("den")
    assert error(bob.command("kick", "den", target="ann")) == "forbidden"
    assert error(eve.command("kick", "den", target="ann")) == "not_joined"
    assert error(ann.command("mute", "den", target="nobody")) == "not_found"
    assert error(ann.command("mute", "den")) == "invalid_message"

    ann.command("mute", "den", target="bob")
    assert [message.type for message in bob.take() if message.type != "presence"] == ["system"]
    assert error(bob.text("room:den", "can you hear me")) == "muted"
    ann.command("unmute", "den", target="bob")
    bob.take()
    assert [message.type for message in bob.text("room:den", "and now")] == ["ack", "text"]


def test_a_kicked_user_leaves_with_all_sessions_and_may_come_again() -> None:
    world = World()
    ann, bob, bob_again = world.connect("ann"), world.connect("bob"), world.connect("bob")
    ann.join("den"), bob.join("den"), bob_again.join("den")
    ann.take()
    answers = ann.command("kick", "den", target="bob")
    assert sorted(message.type for message in answers) == ["ack", "presence"]
    for session in (bob, bob_again):
        assert "system" in [message.type for message in session.take()]
        assert error(session.text("room:den", "hello?")) == "not_joined"
    assert bob.join("den").type == "ack"


def test_whom_authorize_names_moderates_too() -> None:
    world = World()
    ann, boss = world.connect("ann"), world.connect("boss")
    ann.join("den")
    assert boss.command("kick", "den", target="ann", verdict=True)[-1].type == "ack"
    ann.join("den")
    assert error(ann.command("kick", "den", target="ann", verdict=False)) == "forbidden"


def test_unmute_is_newer_than_1_0() -> None:
    world = World()
    old = world.connect("old", version=ProtocolVersion(1, 0))
    old.join("den")
    refused = old.command("unmute", "den", target="old")
    assert (error(refused), refused[0].payload.field) == ("invalid_message", "payload.action")


def test_presence_is_told_once_a_user_and_not_to_the_user() -> None:
    world = World()
    ann, bob, bob_again = world.connect("ann"), world.connect("bob"), world.connect("bob")
    ann.join("den"), bob.join("den"), bob_again.join("den")
    told = [(message.payload.event, message.payload.user, message.payload.count) for message in ann.take()]
    assert told == [("join", "bob", 2)]
    assert bob.take() == []
    bob.leave()
    assert ann.take() == []
    bob_again.leave()
    world.wait(14)
    assert ann.take() == []
    world.wait(2)
    assert [(message.payload.event, message.payload.count) for message in ann.take()] == [("leave", 1)]


def test_large_rooms_are_quiet() -> None:
    world = World(presence_limit=2)
    ann, bob, eve = world.connect("ann"), world.connect("bob"), world.connect("eve")
    ann.join("den"), bob.join("den")
    ann.take()
    eve.join("den")
    assert ann.take() == []
    answer = ann.say("presence", channel="room:den")[0]
    assert (answer.payload.count, answer.payload.members) == (3, ["ann", "bob", "eve"])
