from pathlib import Path

import pytest

from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.snapshots import SqliteSnapshots
from hubbub.ports import Snapshots
from hubbub.testing.snapshots_contract import SnapshotsContract


class TestMemorySnapshots(SnapshotsContract):
    def make_snapshots(self) -> Snapshots:
        return MemorySnapshots()


class TestSqliteSnapshots(SnapshotsContract):
    @pytest.fixture(autouse=True, params=[False, True], ids=["threads", "inline"])
    def _place(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.path = tmp_path / "snapshots.db"
        self.inline: bool = request.param

    def make_snapshots(self) -> Snapshots:
        return SqliteSnapshots(Database(self.path, inline=self.inline))
