"""The broker's ports, over a real Unix socket: they promise what every port does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hubbub.backends.broker.link import BrokerLink
from hubbub.backends.broker.log import BrokerLog
from hubbub.backends.broker.stores import BrokerDirectory, BrokerSessions
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Directory, Log, Sessions
from hubbub.testing.directory_contract import DirectoryContract
from hubbub.testing.log_contract import LogContract
from hubbub.testing.sessions_contract import SessionsContract
from tests.backends.broker.serving import serving


class OverASocket:
    """What a test opened ends with it."""

    @pytest.fixture(autouse=True)
    async def _stack(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as self.stack:
            yield

    async def link(self, **stores: Any) -> BrokerLink:
        broker = await self.stack.enter_async_context(serving(**stores))
        return await broker.link()


class TestBrokerLog(OverASocket, LogContract):
    async def make_log(self) -> Log:
        return BrokerLog(await self.link())

    async def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return BrokerLog(await self.link(log=MemoryLog(retention=policy, clock=clock)))


class TestBrokerSessions(OverASocket, SessionsContract):
    async def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return BrokerSessions(await self.link(sessions=MemorySessions(wall=wall)))


class TestBrokerDirectory(OverASocket, DirectoryContract):
    async def make_directory(self) -> Directory:
        return BrokerDirectory(await self.link())
