"""A node's part in a cluster: who the others are, whose a session is, and how it goes from one to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubbub.node.members import Members
from hubbub.node.migration import Migrations
from hubbub.node.ownership import SharedVault
from hubbub.node.post import Post
from hubbub.ports import Directory, Mailbox, Registry, Sessions

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
        )
        self._hub = hub
        self._post = Post(mailbox, name)
        self.vault = SharedVault(hub, sessions, directory, self.members, self._post)
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

    def kill(self) -> None:
        """Ends without a word, as a crash would."""
        self.members.kill()
        self._post.close()

    def sweep(self) -> None:
        """Once a second."""
        self.vault.sweep(self._hub.clock())
