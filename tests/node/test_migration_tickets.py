"""A ticket leads one session to one node, once."""

import asyncio
import json

import pytest

from hubbub import TryLater
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.migrating import begin, moved, orders
from tests.node.strangers import Wanderer, secret_of
from tests.waiting import until


@virtual
async def test_a_forged_a_used_and_a_foreign_ticket_are_refused_and_harm_nobody() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann, bob = await cluster.connect("ann", "n1"), await cluster.connect("bob", "n1")
    got = orders(ann)
    await moved(cluster, "ann", "n1", "n2")
    used = got[0].ticket
    tries = [
        ("n2", ann, used),
        ("n2", ann, "forged"),
        ("n2", bob, used),
        ("n3", ann, used),
        ("n1", bob, ""),
    ]
    for node, client, ticket in tries:
        stranger = Wanderer(cluster, node)
        await stranger.restore(secret_of(client), ticket=ticket)
        await until(lambda stranger=stranger: stranger.is_answered)  # type: ignore[misc]
        (answer,) = stranger.heard
        assert (answer["code"], answer["payload"]["number"], answer["payload"]["field"]) == (
            "forbidden",
            112,
            "payload.ticket",
        )
        stranger.socket.close()
    await asyncio.sleep(10)
    assert (cluster.where("ann"), cluster.where("bob")) == (["n2"], ["n1"])
    assert ann.state.phase == bob.state.phase == "connected"


@virtual
async def test_guessing_tickets_is_slow() -> None:
    cluster, ann = await begin("n1", "n2")
    stranger = Wanderer(cluster, "n2")
    await stranger.restore(secret_of(ann), ticket="0")
    for number in range(1, 8):
        guess = {"type": "restore_session", "sessionId": secret_of(ann), "payload": {"ticket": str(number)}}
        stranger.socket.send(json.dumps(guess).encode(), is_text=True)
    await until(lambda: stranger.closed is not None)
    assert stranger.closed is not None
    assert stranger.closed.code == 4429


@virtual
async def test_a_ticket_is_good_for_a_while_only() -> None:
    cluster, ann = await begin("n1", "n2")
    got = orders(ann)
    cluster.networks["n2"].accept = None
    with pytest.raises(TryLater):
        await moved(cluster, "ann", "n1", "n2")
    await asyncio.sleep(60)
    hub = cluster.nodes["n2"].hub
    session = cluster.session("ann", "n1")
    assert session is not None
    assert not hub.tickets.redeem(session.digest, got[-1].ticket, hub.clock())
    assert len(hub.tickets) == 0
