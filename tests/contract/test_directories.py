from pathlib import Path

import pytest

from hubbub.backends.memory.directory import MemoryDirectory
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.directory import SqliteDirectory
from hubbub.ports import Directory
from hubbub.testing.directory_contract import DirectoryContract


class TestMemoryDirectory(DirectoryContract):
    def make_directory(self) -> Directory:
        return MemoryDirectory()


class TestSqliteDirectory(DirectoryContract):
    @pytest.fixture(autouse=True, params=[False, True], ids=["threads", "inline"])
    def _place(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.path = tmp_path / "facts.db"
        self.inline: bool = request.param

    def make_directory(self) -> Directory:
        return SqliteDirectory(Database(self.path, inline=self.inline))
