"""Which nodes there are, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hubbub.ports import Lease, NodeRecord


class MemoryRegistry:
    """Implements `Registry`. Answers at once; give the same one to every node of a process.

    `clock` gives the seconds by which what is not renewed is gone.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nodes: dict[str, tuple[NodeRecord, float]] = {}
        self._leases: dict[str, tuple[Lease, float]] = {}
        self._fences: dict[str, int] = {}

    def announce(self, record: NodeRecord, ttl: float) -> bool:
        known = self._living(record.name)
        if known is not None and known.run != record.run:
            return False
        self._nodes[record.name] = record, self._clock() + ttl
        return True

    def withdraw(self, name: str, run: str) -> None:
        known = self._living(name)
        if known is not None and known.run == run:
            del self._nodes[name]

    def nodes(self) -> Sequence[NodeRecord]:
        self._nodes = {name: known for name, known in self._nodes.items() if self._living(name) is not None}
        return [self._nodes[name][0] for name in sorted(self._nodes)]

    def lease(self, name: str, holder: str, ttl: float) -> Lease | None:
        now = self._clock()
        held = self._leases.get(name)
        if held is not None and held[1] > now:
            if held[0].holder != holder:
                return None
            lease = held[0]
        else:
            fence = self._fences[name] = self._fences.get(name, 0) + 1
            lease = Lease(name, holder, fence)
        self._leases[name] = lease, now + ttl
        return lease

    def release(self, lease: Lease) -> None:
        held = self._leases.get(lease.name)
        if held is not None and held[0] == lease:
            del self._leases[lease.name]

    def close(self) -> None:
        """Nothing is kept."""

    def _living(self, name: str) -> NodeRecord | None:
        known = self._nodes.get(name)
        return known[0] if known is not None and known[1] > self._clock() else None
