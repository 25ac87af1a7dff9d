"""A node that stops, or is told to, sends its clients to others."""

import asyncio
from typing import Any

import pytest

from hubbub import TryLater
from hubbub.backends.memory.mailbox import MemoryMailbox
from hubbub.node.members import INTERVAL
from hubbub.node.post import Drain, send
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.migrating import begin, moved, orders
from tests.waiting import until


@virtual
async def test_a_drain_tries_another_node() -> None:
    cluster, ann = await begin("n1", "n2", "n3")
    got = orders(ann)
    cluster.networks["n2"].accept = None
    await cluster.stop("n1")
    assert [order.url for order in got] == ["ws://n2/ws", "ws://n3/ws"]
    assert cluster.where("ann") == ["n3"]
    assert ann.state.phase == "connected"


@virtual
async def test_a_node_that_stops_spreads_its_clients_and_nobody_reconnects() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    clients = [await cluster.connect(f"u{number}", "n1") for number in range(20)]
    states: list[Any] = []
    for client in clients:
        await client.join("room:den")
        client.on("state", lambda state: states.append(state.phase))
    await cluster.stop("n1")
    where = [cluster.where(f"u{number}") for number in range(20)]
    assert where.count(["n2"]) == where.count(["n3"]) == 10
    assert states == ["connected"] * 20
    members = cluster.nodes["n2"].server.node.cluster.members  # type: ignore[union-attr]
    await members.announce()
    assert members.find("n1") is None


@virtual
async def test_a_drain_is_spread_over_time() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", drain_over=10.0)
    clients = [await cluster.connect(f"u{number}", "n1") for number in range(40)]
    got = [orders(client) for client in clients]
    peers = cluster.nodes["n1"].server.node.cluster
    assert peers is not None
    peers.migrations.rate = 10.0
    began = asyncio.get_running_loop().time()
    await cluster.stop("n1")
    assert asyncio.get_running_loop().time() - began == pytest.approx(4.0, abs=0.5)
    # Who is told stops publishing: nobody waits for long.
    assert all(order.delay_ms < 250 for (order,) in got)
    assert max(order.delay_ms for (order,) in got) >= 100


@virtual
async def test_the_last_node_stops_as_one_alone() -> None:
    cluster, ann = await begin("n1", max_reconnect_attempts=0)
    ends: list[Any] = []
    ann.on("close", ends.append)
    began = asyncio.get_running_loop().time()
    await cluster.stop("n1")
    assert asyncio.get_running_loop().time() - began < 1
    assert [end.code for end in ends] == [1001]


@virtual
async def test_who_cannot_be_moved_from_a_node_that_stops_comes_back_by_itself() -> None:
    cluster, ann = await begin("n1", "n2")
    cluster.networks["n2"].accept, accept = None, cluster.networks["n2"].accept
    states: list[Any] = []
    ann.on("state", states.append)
    await cluster.stop("n1")
    await until(lambda: any(state.phase == "reconnecting" for state in states))
    closed = next(state for state in states if state.phase == "disconnected")
    assert closed.reason.code == 1001
    cluster.networks["n1"].accept = accept
    await until(lambda: ann.state.phase == "connected")
    assert ann.state.resumed
    assert cluster.where("ann") == ["n2"]


@virtual
async def test_who_leaves_while_being_moved_is_not_waited_for() -> None:
    cluster, ann = await begin("n1", "n2")
    cluster.networks["n2"].delay = 30.0
    stopping = asyncio.create_task(cluster.stop("n1"))
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await ann.close()
    await stopping
    assert asyncio.get_running_loop().time() - began < 6


@virtual
async def test_a_drain_can_be_cut_short() -> None:
    cluster, ann = await begin("n1", "n2", max_reconnect_attempts=0)
    ends: list[Any] = []
    ann.on("close", ends.append)
    cluster.networks["n2"].delay = 30.0
    app = cluster.nodes["n1"]
    stopping = asyncio.create_task(cluster.stop("n1"))
    await asyncio.sleep(1)
    app.server.hurry()
    began = asyncio.get_running_loop().time()
    await stopping
    assert asyncio.get_running_loop().time() - began < 1
    await until(lambda: bool(ends))
    assert ends[0].code == 1001


@virtual
async def test_an_administrator_drains_a_node_and_lets_it_take_part_again() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    clients = [await cluster.connect(f"u{number}", "n1") for number in range(5)]
    box = MemoryMailbox(cluster.exchange)
    send(box, "n1", Drain(over=5.0))
    await until(lambda: not cluster.nodes["n1"].connections())
    assert [client.state.phase for client in clients] == ["connected"] * 5
    members = cluster.nodes["n2"].server.node.cluster.members  # type: ignore[union-attr]
    await asyncio.sleep(2 * INTERVAL)
    record = members.find("n1")
    assert record is not None
    assert record.state == "draining"
    # Nobody is sent to a node that drains, also by one that has not heard of it.
    with pytest.raises(TryLater):
        await moved(cluster, "u0", "n2", "n1")
    send(box, "n1", Drain())
    await asyncio.sleep(2 * INTERVAL)
    assert await moved(cluster, "u0", "n2", "n1") == "n1"
