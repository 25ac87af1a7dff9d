"""The broker's ports, over a real Unix socket: they promise what every port does."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hubbub.backends.broker.link import BrokerLink
from hubbub.backends.broker.log import BrokerLog
from hubbub.backends.broker.members import BrokerMailbox, BrokerPresence, BrokerRegistry
from hubbub.backends.broker.stores import BrokerDirectory, BrokerSessions, BrokerSnapshots
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.registry import MemoryRegistry
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Directory, Log, Mailbox, Presence, Registry, Sessions, SharedLog, Snapshots
from hubbub.testing.clock import VirtualClock
from hubbub.testing.directory_contract import DirectoryContract
from hubbub.testing.log_contract import LogContract
from hubbub.testing.mailbox_contract import MailboxContract
from hubbub.testing.presence_contract import PresenceContract
from hubbub.testing.registry_contract import RegistryContract
from hubbub.testing.sessions_contract import SessionsContract
from hubbub.testing.shared_log_contract import SharedLogContract
from hubbub.testing.snapshots_contract import SnapshotsContract
from tests.backends.broker.serving import serving


class OverASocket:
    """What a test opened ends with it."""

    @pytest.fixture(autouse=True)
    async def _stack(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as self.stack:
            yield

    async def links(self, count: int, **stores: Any) -> list[BrokerLink]:
        broker = await self.stack.enter_async_context(serving(**stores))
        return [await broker.link() for _ in range(count)]

    async def link(self, **stores: Any) -> BrokerLink:
        (link,) = await self.links(1, **stores)
        return link


class TestBrokerLog(OverASocket, LogContract):
    async def make_log(self) -> Log:
        return BrokerLog(await self.link())

    async def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return BrokerLog(await self.link(log=MemoryLog(retention=policy, clock=clock)))


class TestSharedBrokerLog(OverASocket, SharedLogContract):
    # That an interruption is told stands in tests/backends/broker: nothing else can come between.
    async def make_logs(self, count: int) -> Sequence[SharedLog]:
        return [BrokerLog(link) for link in await self.links(count)]


class TestBrokerPresence(OverASocket, PresenceContract):
    async def make_presences(self, count: int) -> Sequence[Presence]:
        return [BrokerPresence(link) for link in await self.links(count)]


class TestBrokerRegistry(OverASocket, RegistryContract):
    async def make_registries(self, count: int) -> Sequence[Registry]:
        self.clock = VirtualClock()
        registry = MemoryRegistry(clock=self.clock)
        return [BrokerRegistry(link) for link in await self.links(count, registry=registry)]

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestBrokerMailbox(OverASocket, MailboxContract):
    async def make_mailboxes(self, count: int) -> Sequence[Mailbox]:
        return [BrokerMailbox(link) for link in await self.links(count)]


class TestBrokerSessions(OverASocket, SessionsContract):
    async def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return BrokerSessions(await self.link(sessions=MemorySessions(wall=wall)))


class TestBrokerSnapshots(OverASocket, SnapshotsContract):
    async def make_snapshots(self) -> Snapshots:
        return BrokerSnapshots(await self.link())


class TestBrokerDirectory(OverASocket, DirectoryContract):
    async def make_directory(self) -> Directory:
        return BrokerDirectory(await self.link())
