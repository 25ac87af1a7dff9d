"""Every port on a real Redis server and a real Redis Cluster of three."""

from collections.abc import Callable, Sequence

import pytest

from hubbub.backends.redis.log import RedisLog
from hubbub.backends.redis.naming import Names
from hubbub.backends.redis.registry import RedisRegistry
from hubbub.backends.redis.sessions import RedisSessions
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
from tests.backends.redis.conftest import Backends

pytestmark = pytest.mark.slow


class OnRedis:
    backends: Backends
    url: str

    @pytest.fixture(autouse=True, params=["one", "three"])
    def _place(self, request: pytest.FixtureRequest, backends: Backends) -> None:
        self.backends = backends
        self.url = request.getfixturevalue("redis_server" if request.param == "one" else "redis_three").url
        self.clock = VirtualClock(1000.0)


class TestRedisLog(OnRedis, LogContract):
    async def make_log(self) -> Log:
        return (await self.backends.make(self.url)).log

    async def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        if policy.default.conflate:
            pytest.skip("logs on Redis do not conflate: such a rule is refused at the start")
        backend = await self.backends.make(self.url)
        names = Names(self.backends.cluster)
        return RedisLog(backend.client, names, backend.subscriber, retention=policy, clock=clock)


class TestRedisSharedLog(OnRedis, SharedLogContract):
    async def make_logs(self, count: int) -> Sequence[SharedLog]:
        return [(await self.backends.make(self.url)).log for _ in range(count)]

    async def interrupt(self, log: SharedLog) -> None:
        assert isinstance(log, RedisLog)
        for link in log._subscriber._links.values():
            assert link._socket is not None
            link._socket.abort("a test")


class TestRedisSessions(OnRedis, SessionsContract):
    async def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        backend = await self.backends.make(self.url)
        return RedisSessions(backend.client, Names(self.backends.cluster), wall=wall)


class TestRedisDirectory(OnRedis, DirectoryContract):
    async def make_directory(self) -> Directory:
        return (await self.backends.make(self.url)).directory


class TestRedisPresence(OnRedis, PresenceContract):
    async def make_presences(self, count: int) -> Sequence[Presence]:
        return [(await self.backends.make(self.url)).presence for _ in range(count)]


class TestRedisRegistry(OnRedis, RegistryContract):
    async def make_registries(self, count: int) -> Sequence[Registry]:
        clients = [(await self.backends.make(self.url)).client for _ in range(count)]
        return [RedisRegistry(client, Names(self.backends.cluster), clock=self.clock) for client in clients]

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)


class TestRedisSnapshots(OnRedis, SnapshotsContract):
    async def make_snapshots(self) -> Snapshots:
        return (await self.backends.make(self.url)).snapshots


class TestRedisMailbox(OnRedis, MailboxContract):
    async def make_mailboxes(self, count: int) -> Sequence[Mailbox]:
        return [(await self.backends.make(self.url)).mailbox for _ in range(count)]
