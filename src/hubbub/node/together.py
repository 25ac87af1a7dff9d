"""What a node and the others agree on beside the log: rooms and their members, groups, and words between hubs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hubbub.node.facts import Facts
from hubbub.node.mailing import MailedPeers
from hubbub.node.roster import SharedRoster
from hubbub.ports import Directory, Mailbox, NodeRecord, Presence
from hubbub.ports.answers import answer

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.cluster")

GRACE = 15.0
"""Seconds after which the members of a node that is gone are, too."""

_LOOK = 5.0
_LEARN = 60.0
"""Seconds between two looks: for the entries of nodes that are gone, and for facts that no notice told of."""


class Others(Protocol):
    """Who else is in the cluster (`hubbub.node.members`)."""

    def find(self, name: str) -> NodeRecord | None: ...

    def on_gone(self, callback: Callable[[str], None]) -> None: ...


class Together:
    """Makes of a hub one of many: `start` and `stop` once. Needs all of the stores; `others` may come later."""

    def __init__(self, hub: Hub, presence: Presence, directory: Directory, mailbox: Mailbox) -> None:
        self._hub = hub
        self._presence = presence
        self.mailed = hub.peers = MailedPeers(hub, mailbox)
        self.facts = Facts(hub, directory)
        self.roster = hub.roster = SharedRoster(hub, presence, self.facts)
        self._others: Others | None = None
        self._missing: dict[str, float] = {}
        """Holders of entries that are not in the cluster, and since when that is known."""
        self._looked_at = self._learned_at = hub.clock()
        self._tasks: set[asyncio.Task[None]] = set()

    def meet(self, others: Others) -> None:
        """Whose members leave when they are gone."""
        self._others = others
        others.on_gone(self.gone)

    async def start(self) -> None:
        """Raises what the stores raise when they are away."""
        await self.mailed.start()
        await self.facts.start()

    async def stop(self) -> None:
        await self.roster.settle()
        await self.facts.settle()
        self.kill()

    def kill(self) -> None:
        """Ends without a word, as a crash would."""
        self.mailed.abandon()
        self.roster.abandon()
        self.facts.abandon()
        for task in self._tasks:
            task.cancel()

    def sweep(self) -> None:
        """To be called about once a second."""
        now = self._hub.clock()
        self.mailed.sweep()
        self.roster.sweep()
        if now - self._looked_at >= _LOOK:
            self._looked_at = now
            self._start(self._look)
        if now - self._learned_at >= _LEARN:
            self._learned_at = now
            self._start(self.facts.learn)

    def gone(self, node: str) -> None:
        """A node has stopped, or is dead: its members leave, and whoever can hears of it."""

        async def drop() -> None:
            for holder in await answer(self._presence.holders()):
                if holder.rpartition("/")[0] == node:
                    await self._drop(holder)

        self._start(drop)

    async def _look(self) -> None:
        """Entries may be left of a run that nobody saw go."""
        if self._others is None:
            return
        now = self._hub.clock()
        missing = {holder for holder in await answer(self._presence.holders()) if not self._is_alive(holder)}
        self._missing = {holder: self._missing.get(holder, now) for holder in missing}
        for holder, since in list(self._missing.items()):
            if now - since >= GRACE:
                await self._drop(holder)

    def _is_alive(self, holder: str) -> bool:
        if holder == self.roster.holder:
            return True
        assert self._others is not None
        name, _, run = holder.rpartition("/")
        record = self._others.find(name)
        return record is not None and record.run == run

    async def _drop(self, holder: str) -> None:
        if holder != self.roster.holder:
            await self.roster.drop(holder)
        self._missing.pop(holder, None)

    def _start(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            try:
                await work()  # type: ignore[misc]
            except Exception as error:
                log.warning("what the nodes agree on cannot be looked after now: %s", error)

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
