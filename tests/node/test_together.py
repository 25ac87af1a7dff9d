"""Rooms, groups and words over several nodes: what one node would do, they do together."""

from __future__ import annotations

import asyncio

import pytest

from hubbub.errors import Conflict
from hubbub.protocol.payloads import System
from hubbub.testing.loop import virtual
from tests.node.joining import begin, start
from tests.node.peers import Peer
from tests.waiting import until


@virtual
async def test_raw_and_python_clients_in_one_room_of_two_nodes() -> None:
    cluster = await start()
    ann = await cluster.connect("ann", "a")
    bob = await begin(cluster, "b", "bob", "den")
    async with ann.subscribe("room:den") as den:
        for number in range(10):
            await ann.publish("room:den", f"ann {number}")
            bob.text("room:den", f"bob {number}")
        await until(lambda: len(bob.texts()) == 20)
        heard = [await anext(den) for _ in range(20)]
    assert [(message.offset, message.payload.content) for message in heard] == bob.texts()
    assert [offset for offset, _ in bob.texts()] == list(range(1, 21))


@virtual
async def test_who_comes_and_goes_is_told_on_every_node() -> None:
    cluster = await start("a", "b", "c")
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob")
    joined = await bob.command("join", "den")
    assert (joined.payload.count, joined.payload.members, joined.payload.moderator) == (2, ["ann", "bob"], False)
    await until(lambda: ann.told() == [("join", "bob", 2)])
    await begin(cluster, "c", "bob", "den")
    cy = await begin(cluster, "c", "cy", "den")
    await until(lambda: ann.told()[1:] == [("join", "cy", 3)])
    await bob.command("leave", "den")
    await cy.command("leave", "den")
    await until(lambda: ann.told()[2:] == [("leave", "cy", 2)])
    roll = await ann.ask("presence", channel="room:den")
    assert (roll.payload.count, roll.payload.members) == (2, ["ann", "bob"])


@virtual
async def test_capacity_counts_all_nodes() -> None:
    cluster = await start(room_capacity=2)
    peers = [await begin(cluster, node, f"{node}{number}") for node in ("a", "b") for number in range(3)]
    answers = await asyncio.gather(*(peer.command("join", "den") for peer in peers))
    assert sorted(answer.type for answer in answers) == ["ack"] * 2 + ["error"] * 4
    assert {answer.code for answer in answers if answer.type == "error"} == {"room_full"}
    refused = next(peer for peer, answer in zip(peers, answers, strict=True) if answer.type == "error")
    seated = next(peer for peer, answer in zip(peers, answers, strict=True) if answer.type == "ack")
    refused.text("room:den", "hello")
    assert (await refused.hear("error", 2))[-1].code == "not_joined"
    await seated.command("leave", "den")
    assert (await refused.command("join", "den")).type == "ack"


@virtual
async def test_a_session_joins_once_however_fast_it_asks() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann")
    answers = await asyncio.gather(*(ann.command("join", "den") for _ in range(5)))
    assert sorted(answer.type for answer in answers) == ["ack"] + ["error"] * 4
    assert {answer.code for answer in answers if answer.type == "error"} == {"already_joined"}
    await asyncio.gather(ann.command("leave", "den"), ann.command("join", "den"))
    assert (await cluster.app("b").rooms.present("den")) == ["ann"]


@virtual
async def test_the_creator_moderates_on_every_node() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    cy = await begin(cluster, "b", "cy", "den")
    again = Peer(cluster.app("b"), "ann")
    again._count = 100
    await again.begin()
    assert (await again.command("join", "den")).payload.moderator is True
    refused = await bob.command("kick", "den", target="cy")
    assert refused.code == "forbidden"

    assert (await ann.command("mute", "den", target="bob")).type == "ack"
    assert (await bob.hear("system"))[0].payload.content == "ann muted you in Room den"
    bob.text("room:den", "hm")
    assert (await bob.hear("error", 2))[-1].code == "muted"
    assert (await ann.command("unmute", "den", target="bob")).type == "ack"
    await bob.hear("system", 2)
    bob.forget()
    bob.text("room:den", "I can speak")
    await until(lambda: bob.texts()[-1:] != [])

    assert (await ann.command("kick", "den", target="cy")).type == "ack"
    (gone,) = await cy.hear("unsubscribed")
    assert gone.channel == "room:den"
    await until(lambda: ("leave", "cy", 2) in ann.told())
    assert (await ann.command("kick", "den", target="nobody")).code == "not_found"
    assert (await cy.command("join", "den")).type == "ack"


@virtual
async def test_who_comes_later_on_another_node_is_muted_too() -> None:
    cluster = await start("a", "b", "c")
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    await ann.command("mute", "den", target="bob")
    await asyncio.sleep(1)
    bob.hang_up()
    other = Peer(cluster.app("c"), "bob")
    other._count = 100
    await other.begin("den")
    other.text("room:den", "from elsewhere")
    assert (await other.hear("error"))[0].code == "muted"


@virtual
async def test_who_is_told_of_being_muted_is_muted() -> None:
    """Whatever overtakes what on its way to another node."""
    cluster = await start()
    ann, bob = await begin(cluster, "a", "ann", "den"), await begin(cluster, "b", "bob", "den")
    for number in range(1, 21):
        await ann.command("mute", "den", target="bob")
        await bob.hear("system", 2 * number - 1)
        bob.text("room:den", "hm")
        assert (await bob.hear("error", number))[-1].code == "muted"
        await ann.command("unmute", "den", target="bob")
        await bob.hear("system", 2 * number)
        bob.text("room:den", "I can speak")
        await until(lambda: len(bob.texts()) == number)  # noqa: B023


@virtual
async def test_an_open_room_ends_with_its_last_member_anywhere() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    await ann.command("leave", "den")
    assert list(cluster.backend.directory.names("")) == ["room:den"]
    await bob.command("leave", "den")
    await until(lambda: list(cluster.backend.directory.names("")) == [])
    joined = await bob.command("join", "den")
    assert joined.payload.moderator is True


@virtual
async def test_rooms_of_the_application_are_made_and_deleted_everywhere() -> None:
    cluster = await start(anonymous=True, open_rooms=False)
    ann = await begin(cluster, "a", "ann")
    bob = await begin(cluster, "b", "bob")
    assert (await bob.command("join", "den")).code == "not_found"
    cluster.app("a").rooms.create("den", name="The den", capacity=1)
    await until(lambda: [room.name for room in cluster.app("b").rooms.all()] == ["The den"])
    assert (await bob.command("join", "den")).type == "ack"
    assert (await ann.command("join", "den")).code == "room_full"
    assert await cluster.app("a").rooms.present("den") == ["bob"]
    await cluster.start("c")
    assert [room.id for room in cluster.app("c").rooms.all()] == ["den"]
    cluster.app("a").rooms.delete("den")
    assert (await bob.hear("unsubscribed"))[0].channel == "room:den"
    await until(lambda: list(cluster.backend.directory.names("")) == [])
    assert (await ann.command("join", "den")).code == "not_found"
    with pytest.raises(Conflict):
        await cluster.app("b").rooms.present("den")


@virtual
async def test_the_application_moderates_whoever_is_anywhere() -> None:
    cluster = await start()
    bob = await begin(cluster, "b", "bob", "den")
    cluster.app("a").rooms.kick("bob", "den", reason="go home")
    assert (await bob.hear("system"))[0].payload.content == "go home"
    await bob.command("join", "den")
    cluster.app("a").rooms.mute("bob", "den")
    await bob.hear("system", 2)
    bob.text("room:den", "hm")
    assert (await bob.hear("error"))[0].code == "muted"


@virtual
async def test_groups_by_call_on_every_node() -> None:
    cluster = await start()
    bob = await begin(cluster, "b", "bob")
    here, there = cluster.app("a"), cluster.app("b")
    here.groups.create("staff")
    here.groups.add("bob", "staff")
    (told,) = await bob.hear("subscribed")
    assert told.channel == "group:staff"
    await here.broadcast("to staff", groups=["staff"])
    await until(lambda: [content for _, content in bob.texts()] == ["to staff"])
    await cluster.start("c")
    assert cluster.app("c").groups.members("staff") == ["bob"]
    there.groups.remove("bob", "staff")
    await until(lambda: here.groups.members("staff") == [])
    await here.broadcast("to nobody", groups=["staff"])
    there.groups.delete("staff")
    await until(lambda: "staff" not in [group.id for group in here.hub.groups.all()])
    assert [content for _, content in bob.texts()] == ["to staff"]
    assert list(cluster.backend.directory.names("")) == []


@virtual
async def test_what_need_not_last_goes_beside_the_log() -> None:
    cluster = await start("a", "b", "c")
    ann, bob = await begin(cluster, "a", "ann", "den"), await begin(cluster, "b", "bob", "den")
    cy = await begin(cluster, "c", "cy")
    ann.say("wave", channel="room:den", payload={"x": 1})
    (seen,) = await bob.hear("wave")
    assert (seen.sender, seen.payload, seen.channel) == ("ann", {"x": 1}, "room:den")
    ann.say("wave", channel="user:cy", payload={"x": 2})
    (seen,) = await cy.hear("wave")
    assert seen.payload == {"x": 2}
    cluster.app("b").hub.tell("cy", System("dinner", "info"))
    assert (await cy.hear("system"))[0].payload.content == "dinner"
    assert ann.got("wave") == []
    assert len(bob.got("wave")) == 1
    traffic = cluster.app("a").hub.watch.traffic
    assert traffic.messages_out >= 2
    assert traffic.bytes_out > 0


@virtual
async def test_one_connection_wherever_it_is() -> None:
    cluster = await start()
    bob = await begin(cluster, "b", "bob")
    await cluster.app("a").send(bob.connection_id, "just you")
    (message,) = await bob.hear("text")
    assert (message.payload.content, message.sender) == ("just you", "server")
    await cluster.app("b").send(bob.connection_id, "here, too")
    await bob.hear("text", 2)
    for wrong in ("nothing", cluster.app("a").hub.run + "-9", ""):
        with pytest.raises(Conflict):
            await cluster.app("a").send(wrong, "nobody")
