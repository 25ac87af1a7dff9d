"""Connections move to other nodes: make before break, by call and when a node stops."""

import asyncio
import json
from typing import Any

import pytest

from hubbub import Client, Conflict, TryLater
from hubbub.backends.memory.mailbox import MemoryMailbox
from hubbub.node.members import INTERVAL
from hubbub.node.post import Drain, send
from hubbub.testing.loop import virtual
from tests.node.cluster import Cluster
from tests.node.test_ownership import Wanderer, secret_of
from tests.seeds import seeds
from tests.waiting import until


async def moved(cluster: Cluster, user: str, origin: str, node: str | None = None) -> str:
    return await cluster.nodes[origin].migrate(cluster.connection(user, origin).id, node)


def orders(client: Client) -> list[Any]:
    """The `migrate` messages that this client will have got."""
    got: list[Any] = []
    handlers = client._parts.recovery.received._handlers  # type: ignore[attr-defined]
    follow = next(handler for kind, handler in handlers.items() if kind.__name__ == "MigrateMessage")

    def note(message: Any) -> None:
        got.append(message.payload)
        follow(message)

    handlers[next(kind for kind in handlers if kind.__name__ == "MigrateMessage")] = note
    return got


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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann = await cluster.connect("ann", "n1")
    got = orders(ann)
    cluster.networks["n2"].accept = None
    assert await moved(cluster, "ann", "n1") == "n3"
    assert [order.url for order in got] == ["ws://n2/ws", "ws://n3/ws"]


@virtual
async def test_a_drain_tries_another_node() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
    ends: list[Any] = []
    ann.on("close", ends.append)
    began = asyncio.get_running_loop().time()
    await cluster.stop("n1")
    assert asyncio.get_running_loop().time() - began < 1
    assert [end.code for end in ends] == [1001]


@virtual
async def test_who_cannot_be_moved_from_a_node_that_stops_comes_back_by_itself() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
    cluster.networks["n2"].delay = 30.0
    stopping = asyncio.create_task(cluster.stop("n1"))
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await ann.close()
    await stopping
    assert asyncio.get_running_loop().time() - began < 6


@virtual
async def test_a_drain_can_be_cut_short() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1", max_reconnect_attempts=0)
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


# --- Tickets -----------------------------------------------------------------------------------------------


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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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
    cluster = Cluster()
    await cluster.start("n1", "n2")
    ann = await cluster.connect("ann", "n1")
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


# --- Under load --------------------------------------------------------------------------------------------

MESSAGES = 500


class Talker:
    """A client that publishes its numbers, and keeps what it hears of everyone: (offset, sender, number)."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[tuple[int, str, int]] = []
        self.acknowledged: dict[int, int] = {}

    async def begin(self) -> None:
        await self.client.listen("room:den", self._note)

    def _note(self, message: Any) -> None:
        self.heard.append((message.offset, message.sender, int(message.payload.content)))

    async def talk(self, pause: float) -> None:
        """All numbers, `pause` seconds apart, whatever becomes of those before."""
        tasks = []
        for number in range(MESSAGES):
            tasks.append(asyncio.create_task(self._say(number)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)

    async def _say(self, number: int) -> None:
        position = await self.client.publish("room:den", str(number))
        self.acknowledged[number] = position.offset

    def numbers_of(self, user: str) -> list[int]:
        return [number for _, sender, number in self.heard if sender == user]


@virtual
@pytest.mark.parametrize("seed", seeds(5, quick=2))
@pytest.mark.parametrize("trouble", ["none", "target dead", "target slow", "both cut", "old dies", "target dies later"])
async def test_all_messages_in_both_directions_come_once_and_in_order(trouble: str, seed: int) -> None:
    cluster = Cluster(seed)
    await cluster.start("n1", "n2", "n3")
    ann = Talker(await cluster.connect("ann", "n1", initial_delay=0.1))
    bob = Talker(await cluster.connect("bob", "n3"))
    await ann.begin()
    await bob.begin()
    got = orders(ann.client)
    talking = asyncio.gather(ann.talk(0.02), bob.talk(0.02))
    await asyncio.sleep(1.0)
    if trouble == "target dead":
        cluster.kill("n2")
    elif trouble == "target slow":
        cluster.networks["n2"].delay = 20.0
    moving = asyncio.create_task(moved(cluster, "ann", "n1", "n2"))
    # Some way on: the new connection is being opened, or restores.
    await until(lambda: bool(got) or moving.done())
    await asyncio.sleep(0.01 * seed)
    if trouble == "both cut":
        for link in [*cluster.networks["n1"].alive(), *cluster.networks["n2"].alive()]:
            link.cut()
    elif trouble == "old dies":
        cluster.kill("n1")
        moving.cancel()
    await asyncio.gather(moving, return_exceptions=True)
    if trouble == "target dies later":
        cluster.kill("n2")
    await talking
    await until(lambda: len(ann.heard) == len(bob.heard) == 2 * MESSAGES)
    await asyncio.sleep(60)
    assert ann.heard == bob.heard
    for talker, user in ((ann, "ann"), (bob, "bob")):
        assert talker.numbers_of("ann") == talker.numbers_of("bob") == list(range(MESSAGES))
        mine = {number: offset for offset, sender, number in talker.heard if sender == user}
        assert talker.acknowledged == mine
    if trouble in ("none", "old dies"):
        assert cluster.where("ann") == ["n2"]
    elif trouble in ("target dead", "target slow", "target dies later"):
        assert cluster.where("ann") == ["n1"]
