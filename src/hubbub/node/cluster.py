"""A node's part in a cluster: who the others are, whose a session is, and how it goes from one to another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from hubbub.node.balancing import plan_moves
from hubbub.node.members import Members
from hubbub.node.migration import Migrations
from hubbub.node.ownership import SharedVault
from hubbub.node.post import Drain, Post, Rebalance
from hubbub.ports import Activity, Directory, Mailbox, Registry, Sessions

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


class Cluster:
    """A node's parts that others see. `start` and `stop` once."""

    def __init__(
        self, hub: Hub, sessions: Sessions, directory: Directory | None, registry: Registry, mailbox: Mailbox
    ) -> None:
        name = hub.settings.node_name
        self.members = Members(
            registry,
            name,
            hub.run,
            load=lambda: len(hub.connections),
            clock=hub.clock,
            wall=lambda: hub.wall_ms() / 1000,
            activity=self._activity,
        )
        self._hub = hub
        self._post = Post(mailbox, name)
        self.vault = SharedVault(hub, sessions, directory, self.members, self._post)
        self.members.on_lost = self.vault.keep_again
        self._post.on(Drain, self._told_to_drain)
        self._post.on(Rebalance, self._told_to_rebalance)
        self._moving: asyncio.Task[None] | None = None
        """What an administrator asked for, under way."""
        self.migrations = Migrations(hub, self.members, self._post, self.vault, timeout=hub.settings.migration_timeout)

    async def start(self) -> None:
        """Raises `ConfigurationError` when another node that is up has the name of this one."""
        await self.members.start()
        await self._post.open()

    async def advertise(self, url: str) -> None:
        """Clients reach this node at `url` from now on."""
        self.members.url = url
        await self.members.announce()

    async def drain(self, over: float) -> None:
        """No client is sent here any more, and those that are here go to the others, as far as there are any."""
        self.members.state = "draining"
        await self.members.announce()
        await self.migrations.drain(over)

    async def rebalance(self, over: float) -> int:
        """Tells the nodes that have more clients than the others where to send them; returns how many are to go."""
        await self.members.announce()
        moves = plan_moves([self.members.record, *self.members.others()])
        for node, targets in moves.items():
            self._post.send(node, Rebalance(targets, over))
        return sum(sum(targets.values()) for targets in moves.values())

    @property
    def is_draining(self) -> bool:
        """Whether this node takes no more clients."""
        return self.members.state == "draining"

    def _told_to_drain(self, mail: Drain) -> None:
        self._begin(self._take_part_again() if mail.over is None else self.drain(mail.over))

    def _told_to_rebalance(self, mail: Rebalance) -> None:
        if not self.is_draining:
            self._begin(self._share(mail))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._give_up()
        self._moving = asyncio.get_running_loop().create_task(work)

    def _give_up(self) -> None:
        if self._moving is not None:
            self._moving.cancel()

    async def _share(self, mail: Rebalance) -> None:
        await self.migrations.share(mail.targets, mail.over)
        await self.members.announce()

    async def _take_part_again(self) -> None:
        self.members.state = "up"
        await self.members.announce()

    def _activity(self) -> Activity:
        watch = self._hub.watch
        totals, traffic = watch.totals(), watch.traffic
        exchanged = traffic.messages_in + traffic.messages_out
        return Activity(self._hub.wall_ms() / 1000, totals.messages_in, totals.messages_out, exchanged)

    def health(self) -> dict[str, object]:
        """How many other nodes there are, whether the registry can be had, and how many connections went away."""
        members = self.members
        return {
            "nodes": len(members.others()),
            "registry": "away" if members.is_away else "ok",
            "moved": self.migrations.moved,
        }

    async def stop(self) -> None:
        """This node is gone."""
        await self.members.stop()
        self._post.close()
        self._give_up()

    def kill(self) -> None:
        """Ends without a word, as a crash would."""
        self.members.kill()
        self._post.close()
        self._give_up()

    def sweep(self) -> None:
        """Once a second."""
        self.vault.sweep(self._hub.clock())
