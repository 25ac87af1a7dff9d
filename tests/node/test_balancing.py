"""Nodes become equally full: which connections are to go where, and that they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub import ConfigurationError, Hubbub
from hubbub.node.balancing import plan_moves
from hubbub.node.cluster import Cluster as Peers
from hubbub.ports import NodeRecord
from hubbub.testing.loop import virtual
from tests.client.fake import until
from tests.node.cluster import Cluster


def node(name: str, load: int, capacity: int = 0, state: str = "up") -> NodeRecord:
    return NodeRecord(name, "r", f"ws://{name}/ws", load, capacity, state=state)  # type: ignore[arg-type]


def test_the_fewest_connections_move() -> None:
    assert plan_moves([node("a", 10), node("b", 0), node("c", 6)]) == {"a": {"b": 4}, "c": {"b": 1}}
    assert plan_moves([node("a", 3), node("b", 2)]) == {}
    assert plan_moves([node("a", 14), node("b", 6), node("c", 0), node("d", 0)]) == {
        "a": {"d": 5, "c": 4},
        "b": {"c": 1},
    }
    assert plan_moves([]) == plan_moves([node("a", 7)]) == {}


def test_nobody_goes_where_there_is_no_room() -> None:
    assert plan_moves([node("a", 10), node("b", 0, capacity=2)]) == {"a": {"b": 2}}
    assert plan_moves([node("a", 10), node("b", 0, state="draining")]) == {}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_afterwards_they_differ_by_one_at_most(loads: list[int]) -> None:
    nodes = [node(f"n{number}", load) for number, load in enumerate(loads)]
    after = dict(zip((each.name for each in nodes), loads, strict=True))
    for source, targets in plan_moves(nodes).items():
        for target, count in targets.items():
            after[source] -= count
            after[target] += count
    assert max(after.values()) - min(after.values()) <= 1
    assert not plan_moves([node(name, load) for name, load in after.items()])


def peers(app: Hubbub) -> Peers:
    found = app.server.node.cluster
    assert found is not None
    return found


def loads(cluster: Cluster) -> list[int]:
    return [len(app.hub.connections) for app in cluster.nodes.values()]


@virtual
async def test_nodes_become_equally_full_and_nobody_reconnects() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3", "n4")
    states: list[str] = []
    for number in range(20):
        client = await cluster.connect(f"u{number}", "n1" if number < 14 else "n2")
        await client.join("room:den")
        client.on("state", lambda state: states.append(state.phase))
    for app in cluster.nodes.values():
        await peers(app).members.announce()
    assert await cluster.nodes["n3"].rebalance(over=2.0) == 10
    await until(lambda: max(loads(cluster)) <= 5)
    assert loads(cluster) == [5, 5, 5, 5]
    assert set(states) == {"connected"}


@virtual
async def test_a_node_that_drains_takes_and_gives_nothing_more() -> None:
    cluster = Cluster()
    await cluster.start("n1", "n2", "n3")
    for number in range(9):
        await cluster.connect(f"u{number}", "n1")
    await peers(cluster.nodes["n2"]).drain(1.0)
    assert await cluster.nodes["n1"].rebalance(over=1.0) == 4
    await until(lambda: loads(cluster)[0] <= 5)
    assert loads(cluster)[1] == 0


async def test_one_alone_has_nobody_to_balance_with() -> None:
    with pytest.raises(ConfigurationError, match="no other node"):
        await Hubbub(anonymous=True).rebalance()
