"""Rooms, groups and words over several nodes: what one node would do, they do together."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest

import hubbub
from hubbub.errors import Conflict
from hubbub.protocol.payloads import System
from hubbub.server.metrics import NodeCollector
from hubbub.testing.cluster import Cluster
from hubbub.testing.loop import virtual
from tests.node.peers import Peer
from tests.waiting import until


class Wave(TypedDict):
    x: int


async def start(*names: str, **settings: Any) -> Cluster:
    cluster = Cluster()

    def make(**given: Any) -> hubbub.Hubbub:
        app = hubbub.Hubbub(**{"anonymous": True, **settings, **given})
        app.message("wave", ephemeral=True)(Wave)
        return app

    await cluster.start(*(names or ("a", "b")), make_app=make)
    return cluster


async def begin(cluster: Cluster, node: str, user: str, *rooms: str) -> Peer:
    return await Peer(cluster.app(node), user).begin(*rooms)


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


@virtual
async def test_the_members_of_a_dead_node_leave() -> None:
    cluster = await start("a", "b", "c")
    ann = await begin(cluster, "a", "ann", "den")
    cy = await begin(cluster, "c", "cy", "den")
    await begin(cluster, "b", "bob", "den")
    await begin(cluster, "b", "cy", "den", "other")
    await until(lambda: len(ann.told()) == 2)
    ann.forget()
    cluster.nodes["b"].crash()
    for name in ("a", "c"):
        together = cluster.app(name).server.node.together
        assert together is not None
        together.gone("b")
    await until(lambda: ann.told() == [("leave", "bob", 2)])
    await asyncio.sleep(5)
    assert ann.told() == [("leave", "bob", 2)]
    assert [event for event in cy.told() if event[0] == "leave"] == [("leave", "bob", 2)]
    assert await cluster.app("a").rooms.present("den") == ["ann", "cy"]


@virtual
async def test_a_node_that_was_cut_off_enters_its_members_again() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    cy = await begin(cluster, "b", "cy", "den")
    await until(lambda: len(ann.told()) == 2)
    ann.forget()
    cluster.nodes["b"].cut_off()
    assert (await bob.command("join", "other")).code == "unavailable"
    assert (await cy.command("leave", "den")).type == "ack"
    together = cluster.app("a").server.node.together
    assert together is not None
    together.gone("b")
    await until(lambda: sorted(ann.told()) == [("leave", "bob", 2), ("leave", "cy", 1)])
    await asyncio.sleep(20)
    cluster.nodes["b"].mend()
    await until(lambda: ann.told()[2:] == [("join", "bob", 2)])
    assert await cluster.app("a").rooms.present("den") == ["ann", "bob"]
    assert (await bob.command("join", "other")).type == "ack"


@virtual
async def test_a_departure_that_could_not_be_said_is_said_later() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    await until(lambda: len(ann.told()) == 1)
    ann.forget()
    cluster.nodes["b"].cut_off()
    assert (await bob.command("leave", "den")).type == "ack"
    await asyncio.sleep(10)
    assert ann.told() == []
    cluster.nodes["b"].mend()
    await until(lambda: ann.told() == [("leave", "bob", 1)])


@virtual
async def test_the_grace_is_kept_over_a_lost_connection() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    await until(lambda: len(ann.told()) == 1)
    ann.forget()
    bob.hang_up()
    await asyncio.sleep(10)
    bob = await bob.come_back(cluster.app("b"))
    await asyncio.sleep(20)
    assert ann.told() == []
    bob.hang_up()
    await asyncio.sleep(20)
    assert ann.told() == [("leave", "bob", 1)]
    bob = await bob.come_back(cluster.app("b"))
    await until(lambda: ann.told()[1:] == [("join", "bob", 2)])
    ann.text("room:den", "welcome back")
    await until(lambda: [content for _, content in bob.texts()] == ["welcome back"])


def _metric(cluster: Cluster, node: str, name: str) -> float:
    collector = NodeCollector(cluster.app(node).server.node, lambda: None)
    return next(sample.value for family in collector.collect() for sample in family.samples if sample.name == name)


@virtual
async def test_a_node_without_its_backend_says_so_and_goes_on_as_far_as_it_can() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    node = cluster.app("b").server.node
    assert cluster.app("b").server._health()["status"] == "ok"
    cluster.nodes["b"].cut_off()
    bob.text("room:den", "lost")
    (refused,) = await bob.hear("error")
    assert (refused.code, refused.payload.number) == ("unavailable", 132)
    ann.text("room:den", "on the other side")
    await until(lambda: node.away == ["log", "rooms", "registry"], 30)
    health = cluster.app("b").server._health()
    assert (health["status"], health["away"], health["connections"]) == ("degraded", ["log", "rooms", "registry"], 1)
    assert _metric(cluster, "b", "hubbub_log_away") == 1
    assert _metric(cluster, "a", "hubbub_log_away") == 0
    assert cluster.app("a").server._health()["status"] == "ok"
    assert (await bob.ask("ping")).type == "pong"
    cluster.nodes["b"].mend()
    await until(lambda: [content for _, content in bob.texts()] == ["on the other side"], 10)
    await until(lambda: node.away == [], 30)
    bob.text("room:den", "here again")
    await until(lambda: [content for _, content in ann.texts()] == ["on the other side", "here again"])


@virtual
async def test_a_users_connections_are_counted_over_all_nodes() -> None:
    cluster = await start(max_connections_per_user=2)
    peers = [Peer(cluster.app(node), "ann") for node in ("a", "a", "b", "b")]
    for number, peer in enumerate(peers):
        peer._count = 100 * number
    answers = await asyncio.gather(*(peer.ask("hello", payload={"user": "ann"}) for peer in peers))
    assert sorted(answer.type for answer in answers) == ["error", "error", "welcome", "welcome"]
    for peer, answer in zip(peers, answers, strict=True):
        if answer.type == "error":
            assert answer.code == "rate_limited"
            assert peer.transport.closed is not None
            assert peer.transport.closed[0] == 4429
    assert (await begin(cluster, "b", "bob")).id
    seated = [peer for peer, answer in zip(peers, answers, strict=True) if answer.type == "welcome"]
    seated[0].hang_up()
    await until(lambda: cluster.backend.presence.members("user:ann", 0).count == 1)
    other = Peer(cluster.app("b"), "ann")
    other._count = 500
    await other.begin()
    refused = Peer(cluster.app("a"), "ann")
    refused._count = 600
    assert (await refused.ask("hello", payload={"user": "ann"})).type == "error"


@virtual
async def test_a_session_that_moves_counts_once() -> None:
    cluster = await start(max_connections_per_user=1)
    ann = await begin(cluster, "a", "ann", "den")
    ann = await ann.come_back(cluster.app("b"))
    assert cluster.backend.presence.members("user:ann", 0).count == 1
    await asyncio.sleep(5)
    assert cluster.backend.presence.members("user:ann", 0).count == 1
    ann.hang_up()
    await until(lambda: cluster.backend.presence.members("user:ann", 0).count == 0)


@virtual
async def test_the_connections_of_a_dead_node_are_counted_no_more() -> None:
    cluster = await start(max_connections_per_user=1)
    await begin(cluster, "b", "ann")
    cluster.nodes["b"].crash()
    refused = Peer(cluster.app("a"), "ann")
    refused._count = 100
    assert (await refused.ask("hello", payload={"user": "ann"})).code == "rate_limited"
    await asyncio.sleep(25)
    again = Peer(cluster.app("a"), "ann")
    again._count = 200
    await again.begin()
