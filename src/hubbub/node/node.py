"""One node: a hub that takes its turns on the running loop, its log, and the sessions that are kept beside it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from inspect import isawaitable
from typing import cast

from msgspec.structs import replace

from hubbub.config import Settings
from hubbub.hub.hub import Hub, wall_ms
from hubbub.node.cluster import Cluster
from hubbub.node.journal import LogJournal
from hubbub.node.together import Together
from hubbub.node.vault import SessionVault
from hubbub.ports import Directory, Log, Mailbox, Presence, Registry, Sessions, SharedLog, Snapshots
from hubbub.protocol.wire import Wire

logger = logging.getLogger("hubbub.node")

SWEEP_INTERVAL = 1.0


class Node:
    """Runs a hub. `start` and `stop` once; whoever has sockets hands them to `hub`."""

    def __init__(
        self,
        settings: Settings,
        wire: Wire,
        log: Log,
        sessions: Sessions | None = None,
        directory: Directory | None = None,
        *,
        presence: Presence | None = None,
        registry: Registry | None = None,
        mailbox: Mailbox | None = None,
        snapshots: Snapshots | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
    ) -> None:
        """Without `sessions` they end with the process, and with them what `directory` keeps of rooms.

        A `log` that is a `SharedLog` is followed: with the other nodes on it this one serves the same channels.
        `presence`, `registry` and `mailbox` are what these agree by. `snapshots` are closed with the other stores.
        `clock` is in seconds, `wall` in milliseconds since 1970.
        """
        if registry is not None and not settings.node:
            # Those of one machine need different ones.
            settings = replace(settings, node=f"{settings.node_name}-{secrets.token_hex(3)}")
        self.settings = settings
        self.hub = Hub(settings, wire, self._wake, clock=clock, wall=wall)
        given = (sessions, directory, presence, registry, mailbox, snapshots, log)
        self._stores = [one for one in given if one is not None]
        shared = shared_log(log)
        self.together: Together | None = None
        """What is agreed on with other nodes; None where there cannot be any."""
        if shared is not None and presence is not None and directory is not None and mailbox is not None:
            self.together = Together(self.hub, presence, directory, mailbox)
            # It knows of rooms what the vault would.
            directory = None
        mailed = self.together.mailed if self.together is not None else None
        self._journal = self.hub.journal = LogJournal(self.hub, log, shared, mailed)
        self._vault: SessionVault | None = None
        self.cluster: Cluster | None = None
        """The other nodes; None where there cannot be any."""
        if sessions is not None and registry is not None and mailbox is not None:
            self.cluster = Cluster(self.hub, sessions, directory, registry, mailbox)
            self._vault = self.hub.vault = self.cluster.vault
            if self.together is not None:
                self.together.meet(self.cluster.members)
        elif sessions is not None:
            self._vault = self.hub.vault = SessionVault(self.hub, sessions, directory)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Turns are taken from now on, also for what was published before.

        Raises `ConfigurationError` when another node has the name of this one.
        """
        self._loop = asyncio.get_running_loop()
        if self.cluster is not None:
            await self.cluster.start()
        if self.together is not None:
            await self.together.start()
        if self._vault is not None:
            await self._vault.recall()
            self._ending = self._loop.call_later(self.settings.session_ttl, self._vault.forget_unused)
        self._sweep = self._loop.call_later(SWEEP_INTERVAL, self._sweep_on)
        self._loop.call_soon(self._turn)

    @property
    def away(self) -> list[str]:
        """What cannot be had now, of `log`, `rooms` and `registry`: the node goes on as far as it can without."""
        is_away = {
            "log": self._journal.is_away,
            "rooms": self.together is not None and self.together.roster.is_away,
            "registry": self.cluster is not None and self.cluster.members.is_away,
        }
        return [name for name, is_so in is_away.items() if is_so]

    async def settle(self) -> None:
        """Brings what is under way to its end: what was published is in the log, acknowledged and delivered."""
        self._turn()
        await self._journal.settle()
        self._turn()

    async def stop(self) -> None:
        """Keeps every session, and closes the stores."""
        for timer in (self._sweep, self._ending):
            if timer is not None:
                timer.cancel()
        await self._journal.settle()
        await self._journal.close()
        if self.together is not None:
            await self.together.stop()
        if self._vault is not None:
            await self._vault.settle()
        if self.cluster is not None:
            await self.cluster.stop()
        for store in self._stores:
            closed = store.close()
            if isawaitable(closed):
                await closed

    def kill(self) -> None:
        """Stops at once, as a crash would: nothing is brought to its end, saved or closed."""
        self._loop = None
        self._journal.abandon()
        if self.together is not None:
            self.together.kill()
        if self.cluster is not None:
            self.cluster.kill()
        for timer in (self._sweep, self._ending):
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        # Before the start nothing can be waiting for an answer, and after a crash nothing is.
        if self._loop is not None:
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._loop is None:
            return
        # First, so that answers which wait for a save that is over at once go out in this turn.
        if self._vault is not None:
            self._vault.flush()
        self.hub.turn()

    def _sweep_on(self) -> None:
        assert self._loop is not None
        self._sweep = self._loop.call_later(SWEEP_INTERVAL, self._sweep_on)
        try:
            self.hub.sweep()
            self._journal.sweep()
            if self.together is not None:
                self.together.sweep()
            if self.cluster is not None:
                self.cluster.sweep()
        except Exception:
            logger.exception("looking after the connections failed")


def shared_log(log: Log) -> SharedLog | None:
    """The same log, if other nodes append to it, too."""
    return cast(SharedLog, log) if hasattr(log, "follow") else None
