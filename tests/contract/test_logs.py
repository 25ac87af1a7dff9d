from collections.abc import Callable
from pathlib import Path

import pytest

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.log import SqliteLog
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Log
from hubbub.testing.log_contract import LogContract


class TestMemoryLog(LogContract):
    def make_log(self) -> Log:
        return MemoryLog()

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return MemoryLog(retention=policy, clock=clock)


class OnDisk(LogContract):
    """With a hot tier, and with one that holds so little that nearly everything is read from disk."""

    inline: bool

    @pytest.fixture(autouse=True, params=[1000, 2], ids=["hot", "cold"])
    def _place(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.path = tmp_path / "log.db"
        self.ring: int = request.param

    def make_log(self) -> Log:
        return SqliteLog(Database(self.path, inline=self.inline), ring_messages=self.ring)

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        database = Database(self.path, inline=self.inline, wall=clock)
        return SqliteLog(database, retention=policy, ring_messages=self.ring)


class TestSqliteLog(OnDisk):
    inline = False


class TestSqliteLogInline(OnDisk):
    inline = True


class TestSqliteLogWithoutMemory(OnDisk):
    """Every log is forgotten as soon as nothing is under way."""

    def make_log(self) -> Log:
        return SqliteLog(Database(self.path), ring_messages=self.ring, memory=0)

    def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        return SqliteLog(Database(self.path, wall=clock), retention=policy, ring_messages=self.ring, memory=0)
