"""Who is in the cluster: this node tells the registry that it lives, and sees who else does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container
from typing import Literal

from msgspec import structs

from hubbub.errors import ConfigurationError
from hubbub.ports import Activity, NodeRecord, Registry
from hubbub.ports.answers import answer

log = logging.getLogger("hubbub.cluster")

INTERVAL = 3.0
"""Seconds between two signs of life."""

_PATIENCE = 8.0
"""Seconds that the registry has to answer; together with the interval less than what makes a node be gone."""

TTL = 15.0
"""Seconds without one after which a node is gone."""


class Members:
    """The nodes of the cluster, this one included. `start` and `stop` once.

    What is missing from the registry is gone, unless the registry itself was away or has lost what it knew: then
    nobody is taken for gone before everyone has had the time to announce itself again.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        run: str,
        *,
        load: Callable[[], int],
        clock: Callable[[], float],
        wall: Callable[[], float],
        activity: Callable[[], Activity] = Activity,
    ) -> None:
        """`run` tells this start of the node from others; `load` counts its connections, `activity` what it does.

        `clock` in seconds, `wall` in seconds since 1970.
        """
        self._registry = registry
        self._load = load
        self._clock = clock
        self._wall = wall
        self._activity = activity
        self._run = run
        self._started = 0.0
        self._known: dict[str, NodeRecord] = {}
        self._seen: frozenset[str] = frozenset()
        self._trusted_from = 0.0
        self._gone: list[Callable[[str], None]] = []
        self.on_lost: Callable[[], None] = lambda: None
        """Called when the registry has lost what it knew: others of its server may have, too."""
        self._task: asyncio.Task[None] | None = None
        self.name = name
        self.url = ""
        """Where clients reach this node by itself; empty when they cannot."""
        self.capacity = 0
        """Connections that it takes; 0: it does not say."""
        self.state: Literal["up", "draining"] = "up"
        self.is_away = False
        """Whether the registry cannot be had now."""

    async def start(self) -> None:
        """Announces this node, and goes on doing so.

        A name that an earlier run has not given back is waited for, as long as that takes to be forgotten. Raises
        `ConfigurationError` when a node that lives has it.
        """
        self._started = self._wall()
        deadline = self._clock() + TTL + INTERVAL
        while not await self._look():
            if self._clock() >= deadline:
                raise ConfigurationError(
                    "node", f"another node that is up is named {self.name!r}; give each one a name of its own"
                )
            log.warning("the name %s is taken: waiting until who had it is forgotten", self.name)
            await asyncio.sleep(INTERVAL)
        self._task = asyncio.get_running_loop().create_task(self._run_on(), name="hubbub-members")

    async def announce(self) -> None:
        """Tells the others at once, and not only with the next sign of life, what has changed of this node."""
        await self._look()

    async def stop(self) -> None:
        """This node is gone."""
        if self._task is None:
            return
        self.kill()
        try:
            async with asyncio.timeout(INTERVAL):
                await answer(self._registry.withdraw(self.name, self._run))
        except Exception as error:
            log.warning("the node could not be withdrawn, and is forgotten after %g s: %r", TTL, error)

    def kill(self) -> None:
        """Stops without a word, as a crash would."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def on_gone(self, callback: Callable[[str], None]) -> None:
        """Calls back with the name of every node that has stopped, or has not been heard of for 15 s."""
        self._gone.append(callback)

    # --- Looking ---------------------------------------------------------------------------------------

    @property
    def record(self) -> NodeRecord:
        """This node, as it is now."""
        return NodeRecord(
            self.name, self._run, self.url, self._load(), self.capacity, state=self.state, started=self._started
        )

    def find(self, name: str) -> NodeRecord | None:
        """The node, None when it is gone."""
        return self.record if name == self.name else self._known.get(name)

    def others(self) -> list[NodeRecord]:
        """All but this one, by name."""
        return [self._known[name] for name in sorted(self._known)]

    def least_loaded(self, excluding: Container[str] = ()) -> NodeRecord | None:
        """The node that clients are to go to: up, with an address and room, and the fewest connections."""
        fit = [
            node
            for node in (self.record, *self.others())
            if node.name not in excluding and is_open(node) and (node.name == self.name or node.name in self._seen)
        ]
        return min(fit, key=lambda node: (node.load, node.name), default=None)

    # --- Inside ----------------------------------------------------------------------------------------

    async def _run_on(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if not await self._look():
                log.error("another node announces itself as %s: give each one a name of its own", self.name)

    async def _look(self) -> bool:
        """One sign of life, and a look at the others. False when another run has this node's name."""
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await answer(self._registry.nodes())
                record = structs.replace(self.record, activity=self._activity())
                mine = await answer(self._registry.announce(record, TTL))
        except Exception as error:
            self._missed(error)
            return True
        if self.is_away:
            self.is_away = False
            log.info("the registry is there again")
        was_known = self._task is None or any(node.name == self.name for node in found)
        if not was_known:
            # It has lost what it knew, or this node was held up: the others may be in the same position.
            self._distrust()
            log.warning("the registry did not know this node any more: it may have lost everything")
            self.on_lost()
        self._compare({node.name: node for node in found if node.name != self.name})
        return mine

    def _missed(self, error: Exception) -> None:
        if not self.is_away:
            self.is_away = True
            log.warning("the registry cannot be had: %r", error)
        self._distrust()

    def _distrust(self) -> None:
        self._trusted_from = self._clock() + TTL

    def _compare(self, found: dict[str, NodeRecord]) -> None:
        for name in found.keys() - self._known.keys():
            log.info("node %s is in the cluster", name)
        missing = self._known.keys() - found.keys()
        self._seen = frozenset(found)
        self._known.update(found)
        if self._clock() < self._trusted_from:
            return
        for name in sorted(missing):
            del self._known[name]
            log.info("node %s is gone", name)
            for callback in self._gone:
                try:
                    callback(name)
                except Exception:
                    log.exception("what was to be done about the node that is gone failed")


def is_open(node: NodeRecord) -> bool:
    """Whether clients can be sent there."""
    return node.state == "up" and bool(node.url) and not (node.capacity and node.load >= node.capacity)
