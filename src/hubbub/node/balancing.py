"""Which connections are to go where, so that the nodes have equally many."""

from __future__ import annotations

from collections.abc import Sequence

from hubbub.node.members import Members, is_open
from hubbub.ports import NodeRecord


class Spreading:
    """Chooses the node with the fewest connections, those counted that were sent there before."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._loads: dict[str, int] = {}

    def __call__(self, failed: set[str]) -> NodeRecord | None:
        fit = [node for node in self._members.others() if node.name not in failed and is_open(node)]
        for node in fit:
            self._loads.setdefault(node.name, node.load)
        chosen = min(fit, key=lambda node: (self._loads[node.name], node.name), default=None)
        if chosen is not None:
            self._loads[chosen.name] += 1
        return chosen


class Aiming:
    """Chooses one node, as long as it takes connections."""

    def __init__(self, members: Members, node: str) -> None:
        self._members = members
        self._node = node

    def __call__(self, failed: set[str]) -> NodeRecord | None:
        found = self._members.find(self._node)
        return found if found is not None and is_open(found) else None


def plan_moves(nodes: Sequence[NodeRecord]) -> dict[str, dict[str, int]]:
    """The fewest moves after which the nodes that are up have equally many: by source, how many go to which target."""
    up = sorted((node for node in nodes if node.state == "up" and node.url), key=lambda node: (-node.load, node.name))
    if not up:
        return {}
    share, more = divmod(sum(node.load for node in up), len(up))
    # The fullest ones keep what cannot be shared evenly.
    excess = {node.name: node.load - share - (place < more) for place, node in enumerate(up)}
    room = {node.name: _room(node, -excess[node.name]) for node in reversed(up) if excess[node.name] < 0}
    moves: dict[str, dict[str, int]] = {}
    for source, surplus in excess.items():
        for target, free in room.items():
            going = min(surplus - sum(moves.get(source, {}).values()), free)
            if going > 0:
                moves.setdefault(source, {})[target] = going
                room[target] -= going
    return moves


def _room(node: NodeRecord, wanted: int) -> int:
    return min(wanted, node.capacity - node.load) if node.capacity else wanted
