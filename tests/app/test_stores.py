"""From settings to stores: what a URL opens, and what is said of one that cannot be used."""

import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import hubbub
from hubbub.app.stores import OPENERS, open_stores
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.sessions import MemorySessions
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.backends.sqlite.log import SqliteLog
from hubbub.config import Settings
from hubbub.config.stores import hide_password

KINDS = ("log", "sessions", "directory", "presence", "registry", "mailbox", "snapshots")


class Store(str):
    """A store that is no more than its name."""

    def close(self) -> None: ...


class Everything:
    """A backend that says what was asked of it."""

    def __init__(self, url: str, setting: str) -> None:
        self.url, self.setting, self.calls = url, setting, list[str]()
        for kind in KINDS:
            setattr(self, kind, Store(f"{kind} {url}"))

    async def connect(self) -> None:
        self.calls.append("connect")

    async def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Everything]:
    """What was opened at `redis:` URLs, in order."""
    found: list[Everything] = []

    def open_backend(url: str, setting: str, settings: Settings, **_: Any) -> Everything:
        found.append(Everything(url, setting))
        return found[-1]

    module = ModuleType("everything")
    module.open_backend = open_backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "everything", module)
    monkeypatch.setitem(OPENERS, "redis", ("everything", "redis"))
    return found


def opening(**settings: Any) -> Any:
    return open_stores(Settings(**settings), time.monotonic, lambda: int(time.time() * 1000))


def test_by_default_everything_is_in_memory() -> None:
    stores = opening()
    assert isinstance(stores.log, MemoryLog)
    assert stores[1:6] == (None, None, None, None, None)
    assert isinstance(stores.snapshots, MemorySnapshots)
    assert stores.backends == ()


def test_a_backend_is_everything(opened: list[Everything]) -> None:
    stores = opening(backend="redis://a")
    assert stores[:7] == tuple(f"{kind} redis://a" for kind in KINDS)
    assert [(one.url, one.setting) for one in opened] == [("redis://a", "backend")]


def test_each_can_be_elsewhere(opened: list[Everything]) -> None:
    stores = opening(backend="redis://a", log="redis://b", sessions="redis://c", registry="redis://c")
    assert stores[:5] == (
        "log redis://b",
        "sessions redis://c",
        "directory redis://a",
        "presence redis://a",
        "registry redis://c",
    )
    assert [(one.url, one.setting) for one in opened] == [
        ("redis://a", "backend"),
        ("redis://b", "log"),
        ("redis://c", "sessions"),
    ]


def test_a_log_on_disk_beside_a_backend(opened: list[Everything], tmp_path: Path) -> None:
    stores = opening(backend="redis://a", log=f"sqlite://{tmp_path}/log.db")
    assert isinstance(stores.log, SqliteLog)
    assert stores[1:3] == ("sessions redis://a", "directory redis://a")
    stores = opening(log="redis://b", sessions="memory")
    assert stores[:7] == ("log redis://b", None, None, None, None, None, "snapshots redis://b")


async def test_an_application_connects_and_hangs_up(opened: list[Everything]) -> None:
    app = hubbub.Hubbub(anonymous=True, port=0, log="memory", registry="redis://a")
    async with app.serve():
        assert opened[0].calls == ["connect"]
    assert opened[0].calls == ["connect", "close"]


def test_stores_of_ones_own() -> None:
    log, sessions = MemoryLog(), MemorySessions()
    app = hubbub.Hubbub(log=log, sessions=sessions, port=9000)
    assert app.stores[:2] == (log, sessions)
    with pytest.raises(hubbub.ConfigurationError, match="not both"):
        hubbub.Hubbub(Settings(), sessions="memory")


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "driverless.py").write_text("import no_such_driver\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(OPENERS, "redis", ("driverless", "redis"))
    with pytest.raises(hubbub.ConfigurationError) as raised:
        opening(sessions="redis://a")
    assert str(raised.value) == "sessions: needs no_such_driver: pip install 'hubbub[redis]'"


@pytest.mark.parametrize(
    ("setting", "value", "fix"),
    [
        ("log", "postgres://ann:secret@host", "say memory or sqlite:///path/to/file or redis://host:6379/0"),
        ("log", "memory://x", "say memory"),
        ("log", "sqlite:///", "say memory"),
        ("backend", "memory", "say redis://host:6379/0"),
        ("backend", "redis://", "say redis://host:6379/0"),
        ("sessions", "sqlite:///file", "say memory or redis://host:6379/0"),
        ("registry", "redis", "say redis://host:6379/0"),
        ("cluster", "a b", "1 to 64 of"),
        ("cluster", "", "1 to 64 of"),
        ("cluster", "a{b}", "1 to 64 of"),
    ],
)
def test_a_wrong_store_is_named_with_the_fix(setting: str, value: str, fix: str) -> None:
    with pytest.raises(hubbub.ConfigurationError) as raised:
        Settings(**{setting: value})
    assert str(raised.value).startswith(f"{setting}: ")
    assert fix in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory", "memory"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://ann:pa@ss/word@host/0", "redis://***@host/0"),
        ("redis://:secret@host", "redis://***@host"),
        ("redis://host?db=1&password=secret&x=1", "redis://host?db=1&password=***&x=1"),
        ("rediss://host?ssl_password=secret", "rediss://host?ssl_password=***"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_a_store_of_ones_own_is_not_silently_left_out() -> None:
    with pytest.raises(hubbub.ConfigurationError, match="sessions"):
        hubbub.Hubbub(sessions=MemorySessions())
