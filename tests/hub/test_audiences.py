"""Groups, broadcasts, topics."""

import uuid

import pytest

from hubbub.errors import Conflict
from hubbub.hub.audience import Audience
from hubbub.protocol.building import build_message
from tests.hub.world import World, error


def broadcast(world: World, channel: str, content: str, audience: Audience | None = None) -> None:
    message = build_message(
        world.wire,
        content,
        type=None,
        channel=channel,
        sender="server",
        timestamp=0,
        metadata=None,
        message_id=str(uuid.uuid4()),
    )
    world.hub.publish(message, audience)


def test_everyone_is_in_the_default_group_unless_given_others() -> None:
    world = World()
    world.hub.groups.create("vip")
    plain, given = world.connect("plain"), world.connect("given", groups=["vip"])
    assert (world.hub.groups.of_user("plain"), world.hub.groups.of_user("given")) == (["default"], ["vip"])
    broadcast(world, "group:default", "hello")
    assert (plain.contents(), given.contents()) == (["hello"], [])
    world.hub.groups.add("plain", "vip")
    assert [message.type for message in plain.take()] == ["subscribed", "unsubscribed"]
    assert world.hub.groups.members("default") == []


def test_static_dynamic_and_hybrid_groups() -> None:
    world = World()
    groups = world.hub.groups
    groups.create("paying", rule=lambda user: user.attributes.get("plan") == "paid")
    groups.create("broken", rule=lambda user: user.attributes["missing"] == 1)
    ann, bob = world.connect("ann", plan="paid"), world.connect("bob")
    assert (groups.of_user("ann"), groups.of_user("bob")) == (["paying"], ["default"])
    groups.add("bob", "paying")
    assert groups.members("paying") == ["ann", "bob"]
    groups.remove("ann", "paying")
    assert groups.members("paying") == ["ann", "bob"], "the rule still says so"
    groups.remove("bob", "paying")
    assert groups.members("paying") == ["ann"]
    groups.create("late", rule=lambda user: user.name == "bob")
    assert groups.of_user("bob") == ["late"]
    groups.delete("late")
    assert groups.of_user("bob") == ["default"]
    bob.take(), ann.take()
    for call in (lambda: groups.create("paying"), lambda: groups.delete("x"), lambda: groups.add("ann", "x")):
        with pytest.raises(Conflict):
            call()


def test_a_client_in_two_groups_gets_it_once() -> None:
    world = World()
    for name in ("a", "b"):
        world.hub.groups.create(name)
    both, one, none = world.connect("both"), world.connect("one"), world.connect("none")
    world.hub.groups.add("both", "a"), world.hub.groups.add("both", "b"), world.hub.groups.add("one", "b")
    broadcast(world, "all", "hi", Audience(groups=("a", "b")))
    assert (both.contents(), one.contents(), none.contents()) == (["hi"], ["hi"], [])


def test_to_all_and_to_some() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob", codec="protobuf")
    broadcast(world, "all", "everyone")
    assert ann.contents() == bob.contents() == ["everyone"]
    assert bob.connection.session is not None
    broadcast(world, "all", "just bob", Audience(sessions=frozenset({bob.connection.session.key})))
    assert (ann.contents(), bob.contents()) == ([], ["just bob"])
    for channel in ("all", "group:default"):
        assert error(ann.text(channel, "me")) == "forbidden"


def test_an_inbox_is_for_its_user_alone() -> None:
    world = World()
    ann, ann_again, bob = world.connect("ann"), world.connect("ann"), world.connect("bob")
    assert [m.type for m in bob.text("user:ann", "psst")] == ["ack"]
    assert ann.contents() == ann_again.contents() == ["psst"]
    assert error(bob.say("history", channel="user:ann")) == "forbidden"
    assert len(ann.say("history", channel="user:ann")[0].messages) == 1
    late = world.connect("ann")
    bob.text("user:ann", "again")
    assert (ann.contents(), late.contents()) == (["again"], ["again"])


def test_topics_with_wildcards_deliver_once() -> None:
    world = World()
    ann, bob, eve = world.connect("ann"), world.connect("bob"), world.connect("eve")
    ids = {ann.subscribe(topic).payload.subscription_id for topic in ("a.b", "a.*", "a.**", "a.b")}
    assert len(ids) == 4
    bob.subscribe("a.*")
    for topic in ("a.b", "a.c.d", "a", "ab.b"):
        assert eve.text(f"topic:{topic}", topic)[0].type == "ack"
    assert ann.contents() == ["a.b", "a.c.d"]
    assert bob.contents() == ["a.b"]


def test_unsubscribing_by_id_and_by_channel() -> None:
    world = World()
    ann, bob = world.connect("ann"), world.connect("bob")
    first = ann.subscribe("a.b").payload.subscription_id
    ann.subscribe("a.b"), ann.subscribe("a.*")
    ann.say("unsubscribe", payload={"subscriptionId": first})
    bob.text("topic:a.b", "1")
    assert ann.contents() == ["1"]
    ann.say("unsubscribe", channel="topic:a.*")
    bob.text("topic:a.c", "2"), bob.text("topic:a.b", "3")
    assert ann.contents() == ["3"]
    ann.say("unsubscribe", channel="topic:a.b")
    assert bob.text("topic:a.b", "4")
    assert ann.contents() == []
    assert error(ann.say("unsubscribe", channel="topic:a.b")) == "not_found"
    assert error(ann.say("unsubscribe", payload={"subscriptionId": "s99"})) == "not_found"
    assert error(ann.say("unsubscribe")) == "invalid_channel"


def test_what_is_no_topic_or_only_a_pattern() -> None:
    world = World()
    ann = world.connect("ann")
    assert error(ann.say("subscribe", channel="room:den")) == "invalid_channel"
    for channel in ("topic:a.*", "topic:a.**", "nothing:x", "room:", "topic:a..b", "topic:*", "room:\x07"):
        assert error(ann.text(channel, "x")) == "invalid_channel"
    assert error(ann.text("doc:x", "x")) == "not_found"


def test_a_session_has_so_many_subscriptions_and_not_one_more() -> None:
    world = World(max_subscriptions=3)
    ann = world.connect("ann")
    ann.join("den"), ann.subscribe("a.b"), ann.subscribe("a.c")
    assert error(ann.say("subscribe", channel="topic:a.d")) == "forbidden"
    assert error(ann.command("join", "other")) == "forbidden"


def test_a_listener_that_raises_harms_nobody() -> None:
    world = World()
    ann = world.connect("ann")
    heard: list[str] = []
    world.hub.listen("topic:a.*", lambda message: 1 / 0)
    stop = world.hub.listen("topic:a.**", lambda message: heard.append(f"{message.offset} {message.payload.content}"))
    ann.subscribe("a.b")
    assert [m.type for m in ann.text("topic:a.b", "1")] == ["ack", "text"]
    ann.text("topic:a.b.c", "2")
    stop()
    ann.text("topic:a.b", "3")
    assert heard == ["1 1", "2 2"]
