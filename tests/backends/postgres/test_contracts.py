"""Both ports on a real PostgreSQL server."""

from collections.abc import Callable

import pytest

from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Log, Snapshots
from hubbub.testing.log_contract import LogContract
from hubbub.testing.snapshots_contract import SnapshotsContract
from tests.backends.postgres.conftest import Backends

pytestmark = pytest.mark.slow


class OnPostgres:
    backends: Backends

    @pytest.fixture(autouse=True)
    def _place(self, backends: Backends) -> None:
        self.backends = backends


class TestPostgresLog(OnPostgres, LogContract):
    async def make_log(self) -> Log:
        return (await self.backends.make()).log

    async def make_log_that_keeps(self, policy: RetentionPolicy, clock: Callable[[], float]) -> Log:
        if policy.of("doc:a") != Retention(2**62, 2**62, float("inf")):
            pytest.skip("it keeps everything that it is not told to drop")
        return (await self.backends.make()).log


class TestPostgresSnapshots(OnPostgres, SnapshotsContract):
    async def make_snapshots(self) -> Snapshots:
        return (await self.backends.make()).snapshots
