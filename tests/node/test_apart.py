"""Nodes that die, or lose the backend: who is counted, who leaves, and what is said later."""

from __future__ import annotations

import asyncio

from hubbub.server.metrics import NodeCollector
from hubbub.testing.cluster import Cluster
from hubbub.testing.loop import virtual
from tests.node.joining import begin, start
from tests.node.peers import Peer
from tests.waiting import until


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
