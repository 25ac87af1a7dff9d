"""Who is kicked while away stays out, wherever the session comes back: also when its node died."""

from __future__ import annotations

import asyncio

import pytest

import hubbub
from hubbub.testing.cluster import Cluster, wall_ms
from hubbub.testing.loop import virtual
from tests.node.peers import Peer, until


async def start(*names: str) -> Cluster:
    cluster = Cluster()
    await cluster.start(*(names or ("a", "b", "c")))
    return cluster


async def begin(cluster: Cluster, node: str, user: str, *rooms: str) -> Peer:
    return await Peer(cluster.app(node), user).begin(*rooms)


async def may_write(peer: Peer, room: str) -> bool:
    answer = await peer.ask("text", channel=f"room:{room}", payload={"content": "hello"})
    return bool(answer.type != "error")


def entries(cluster: Cluster) -> list[str]:
    return list(cluster.backend.directory.names("kicked:"))


@pytest.mark.parametrize("after", [0.0, 1.0, 60.0])
def test_a_session_of_a_node_that_died(after: float) -> None:
    """At once nobody knows that the node is dead; later its members have left."""

    @virtual
    async def run() -> None:
        cluster = await start()
        ann = await begin(cluster, "a", "ann", "den", "hall")
        bob = await begin(cluster, "b", "bob", "den", "hall")
        await asyncio.sleep(1)
        cluster.nodes["b"].crash()
        await asyncio.sleep(after)
        assert (await ann.command("kick", "den", target="bob")).type == "ack"
        await asyncio.sleep(0.1)
        back = await bob.come_back(cluster.app("c"))
        (restored,) = back.got("session_restored")
        assert set(restored.payload.channels) == {"all", "user:bob", "room:hall"}
        assert [message.channel for message in back.got("unsubscribed")] == ["room:den"]
        assert [await may_write(back, room) for room in ("hall", "den")] == [True, False]
        # He may come again, and then stays, whoever dies.
        assert (await back.command("join", "den")).type == "ack"
        await asyncio.sleep(1)
        cluster.nodes["c"].crash()
        again = await back.come_back(cluster.app("a"))
        assert [await may_write(again, room) for room in ("hall", "den")] == [True, True]

    run()


@virtual
async def test_a_node_that_starts_later_knows_of_it() -> None:
    cluster = await start("a", "b")
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    await asyncio.sleep(1)
    cluster.nodes["b"].crash()
    await ann.command("kick", "den", target="bob")
    await cluster.start("c")
    back = await bob.come_back(cluster.app("c"))
    assert not await may_write(back, "den")


@virtual
async def test_who_is_away_for_long_at_a_node_that_lives_can_be_kicked() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "den")
    bob.hang_up()
    await until(lambda: ("leave", "bob", 1) in ann.told())
    assert (await ann.command("kick", "den", target="bob")).type == "ack"
    await asyncio.sleep(0.1)
    for node in ("b", "c"):
        back = await bob.come_back(cluster.app(node))
        assert not await may_write(back, "den")
        back.hang_up()
        await asyncio.sleep(1)


@virtual
async def test_only_who_is_to_come_back_can_be_kicked() -> None:
    cluster = await start()
    ann = await begin(cluster, "a", "ann", "den")
    bob = await begin(cluster, "b", "bob", "hall")
    assert (await ann.command("kick", "den", target="nobody")).code == "not_found"
    assert (await ann.command("kick", "den", target="bob")).code == "not_found"
    assert entries(cluster) == []
    cluster.nodes["a"].cut_off()
    assert (await ann.command("kick", "den", target="bob")).code == "unavailable"
    del bob


@virtual
async def test_a_kick_is_forgotten_when_no_session_can_come_back() -> None:
    cluster = Cluster()
    await cluster.start("a", "b", make_app=lambda **given: hubbub.Hubbub(anonymous=True, session_ttl=600, **given))
    ann = await begin(cluster, "a", "ann", "den")
    await begin(cluster, "b", "bob", "den")
    await ann.command("kick", "den", target="bob")
    await until(lambda: entries(cluster) == ["kicked:den\nbob"])
    began = wall_ms()
    await asyncio.sleep(500)
    assert entries(cluster) == ["kicked:den\nbob"]
    await until(lambda: entries(cluster) == [], seconds=2000)
    assert 600_000 < wall_ms() - began < 1_200_000
