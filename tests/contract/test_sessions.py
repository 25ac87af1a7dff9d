from collections.abc import Callable
from pathlib import Path

import pytest

from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.sqlite.database import Database
from hubbub.backends.sqlite.sessions import SqliteSessions
from hubbub.ports import Sessions
from hubbub.testing.sessions_contract import SessionsContract


class TestMemorySessions(SessionsContract):
    def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return MemorySessions(wall=wall)


class TestSqliteSessions(SessionsContract):
    @pytest.fixture(autouse=True, params=[False, True], ids=["threads", "inline"])
    def _place(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        self.path = tmp_path / "sessions.db"
        self.inline: bool = request.param

    def make_sessions(self, wall: Callable[[], float]) -> Sessions:
        return SqliteSessions(Database(self.path, wall=wall, inline=self.inline))
