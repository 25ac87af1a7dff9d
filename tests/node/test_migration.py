"""Connections move to other nodes by call: make before break."""

import asyncio
from typing import Any

import pytest

from hubbub import Conflict, TryLater
from hubbub.node.members import INTERVAL
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.migrating import begin, moved, orders
from tests.waiting import until


@virtual
async def test_a_connection_moves_and_its_session_with_it() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann, bob = await cluster.connect("ann", "n1"), await cluster.connect("bob", "n1")
    await ann.join("room:den")
    await bob.join("room:den")
    told: list[Any] = []
    bob.on("presence", told.append)
    states: list[Any] = []
    ann.on("state", states.append)
    got = orders(ann)
    assert await moved(cluster, "ann", "n1", "n2") == "n2"
    assert cluster.where("ann") == ["n2"]
    (order,) = got
    assert (order.url, order.delay_ms, order.deadline_ms) == ("ws://n2/ws", 0, 10_000)
    await until(lambda: len(cluster.nodes["n1"].connections()) == 1)
    assert [state.phase for state in states] == ["connected"]
    await ann.publish("room:den", "from there")
    await asyncio.sleep(60)
    assert told == []
    assert cluster.where("ann") == ["n2"]


@virtual
async def test_by_default_it_goes_where_the_fewest_are() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    for number in range(3):
        await cluster.connect(f"u{number}", "n2")
    await cluster.connect("ann", "n1")
    await asyncio.sleep(2 * INTERVAL + 1)
    assert await moved(cluster, "ann", "n1") == "n3"


@virtual
async def test_there_and_back_again() -> None:
    cluster, ann = await begin("n1", "n2")
    await ann.join("room:den")
    for number in range(4):
        origin, node = ("n1", "n2") if number % 2 == 0 else ("n2", "n1")
        await moved(cluster, "ann", origin, node)
        await ann.publish("room:den", str(number))
        assert cluster.where("ann") == [node]
    history = await ann.history("room:den")
    assert [message.payload.content for message in history] == ["0", "1", "2", "3"]


@virtual
async def test_what_cannot_be_moved_is_said() -> None:
    cluster, ann = await begin("n1", "n2")
    app = cluster.nodes["n1"]
    for connection, node in (("nobody", "n2"), (ann.connection_id, "n9"), (ann.connection_id, "n1")):
        with pytest.raises(Conflict) as raised:
            await app.migrate(connection, node)
        assert raised.value.code == "not_found"
    first = asyncio.create_task(app.migrate(ann.connection_id, "n2"))
    await asyncio.sleep(0)
    with pytest.raises(Conflict) as raised:
        await app.migrate(ann.connection_id, "n2")
    assert (raised.value.code, raised.value.number) == ("already_migrating", 125)
    assert await first == "n2"


@virtual
async def test_a_target_that_is_dead_leaves_everyone_where_they_are() -> None:
    cluster, ann = await begin("n1", "n2")
    got = orders(ann)
    cluster.kill("n2")
    with pytest.raises(TryLater) as raised:
        await moved(cluster, "ann", "n1", "n2")
    assert raised.value.code == "unavailable"
    # Nobody is sent to a node that does not answer.
    assert got == []
    await ann.join("room:den")
    assert cluster.where("ann") == ["n1"]


@virtual
async def test_a_target_that_dies_after_it_said_yes_leaves_everyone_where_they_are() -> None:
    cluster, ann = await begin("n1", "n2")
    got = orders(ann)
    moving = asyncio.create_task(moved(cluster, "ann", "n1", "n2"))
    await until(lambda: bool(got))
    cluster.kill("n2")
    with pytest.raises(TryLater):
        await moving
    await ann.join("room:den")
    assert cluster.where("ann") == ["n1"]
    assert ann.state.phase == "connected"


@virtual
async def test_a_target_that_is_too_slow_is_tried_three_times() -> None:
    cluster, ann = await begin("n1", "n2")
    await ann.join("room:den")
    got = orders(ann)
    cluster.networks["n2"].delay = 30.0
    began = asyncio.get_running_loop().time()
    moving = asyncio.create_task(moved(cluster, "ann", "n1", "n2"))
    await asyncio.sleep(5)
    await ann.publish("room:den", "published after the attempt")
    with pytest.raises(TryLater):
        await moving
    assert len(got) == 3
    assert len({order.ticket for order in got}) == 3
    assert asyncio.get_running_loop().time() - began == pytest.approx(3 * 11 + 2 * 2, abs=0.5)
    await asyncio.sleep(100)
    assert cluster.where("ann") == ["n1"]
    await ann.publish("room:den", "x")


@virtual
async def test_by_default_another_target_is_tried() -> None:
    cluster, ann = await begin("n1", "n2", "n3")
    got = orders(ann)
    cluster.networks["n2"].accept = None
    assert await moved(cluster, "ann", "n1") == "n3"
    assert [order.url for order in got] == ["ws://n2/ws", "ws://n3/ws"]
