"""From settings to the stores behind the hub: which technology, and what each log keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.snapshots import MemorySnapshots
from hubbub.backends.sqlite.storage import open_storage
from hubbub.config import ChannelSettings, Settings
from hubbub.config.stores import scheme_of
from hubbub.delivery.dedup import AGE
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.errors import ConfigurationError
from hubbub.ports import Directory, Log, Mailbox, Presence, Registry, Sessions, Snapshots


class Backend(Protocol):
    """A server that nodes share, with the stores that it can be; None for those that it cannot.

    Nothing goes to the network before `connect`.
    """

    log: Log | None
    sessions: Sessions | None
    directory: Directory | None
    presence: Presence | None
    registry: Registry | None
    mailbox: Mailbox | None
    snapshots: Snapshots | None

    async def connect(self) -> None:
        """Raises `ConfigurationError`, with the setting's name, when the server cannot be used."""
        ...

    async def close(self) -> None:
        """After its stores were closed."""
        ...


class Stores(NamedTuple):
    """What a node keeps its state in. Without `sessions` and `directory` it ends with the process.

    A node alone has no `presence`, `registry` and `mailbox`; `snapshots` are for documents. `backends` are to be
    connected to before anything is used, and closed after everything else.
    """

    log: Log
    sessions: Sessions | None = None
    directory: Directory | None = None
    presence: Presence | None = None
    registry: Registry | None = None
    mailbox: Mailbox | None = None
    snapshots: Snapshots | None = None
    backends: tuple[Backend, ...] = ()

    async def connect(self) -> None:
        """Raises `ConfigurationError` when a server cannot be used."""
        for backend in self.backends:
            await backend.connect()

    async def close(self) -> None:
        """Hangs up; the stores themselves were closed by their node."""
        for backend in self.backends:
            await backend.close()


OPENERS = {
    "broker": ("hubbub.backends.broker.opening", ""),
    "redis": ("hubbub.backends.redis.opening", "redis"),
    "rediss": ("hubbub.backends.redis.opening", "redis"),
    "kafka": ("hubbub.backends.kafka.opening", "kafka"),
    "kafkas": ("hubbub.backends.kafka.opening", "kafka"),
    "zookeeper": ("hubbub.backends.zookeeper.opening", "zookeeper"),
}
"""Scheme to the module whose `open_backend` serves it, and the extra with its driver."""


def open_stores(settings: Settings, clock: Callable[[], float], wall: Callable[[], int]) -> Stores:
    """Opens what the settings `backend`, `log`, `sessions` and `registry` name.

    `clock` in seconds, `wall` in milliseconds since 1970. Raises `ConfigurationError` when it cannot be used.
    """
    shared = _Shared(settings)
    backend = shared.get("backend", settings.backend)
    stores = _open_log(shared, settings, clock, wall)
    sessions = shared.get("sessions", settings.sessions) or backend
    registry = shared.get("registry", settings.registry) or backend
    if sessions is not None:
        stores = stores._replace(sessions=sessions.sessions)
    if settings.sessions == "memory":
        stores = stores._replace(sessions=None)
    if registry is not None:
        stores = stores._replace(registry=registry.registry)
    if backend is not None:
        stores = stores._replace(
            directory=backend.directory or stores.directory, presence=backend.presence, mailbox=backend.mailbox
        )
    return stores._replace(backends=tuple(shared.backends.values()))


def _open_log(shared: _Shared, settings: Settings, clock: Callable[[], float], wall: Callable[[], int]) -> Stores:
    """The log, and what is kept in the same file with it."""
    url = settings.log_url
    backend = shared.get("log" if settings.log else "backend", url)
    if backend is not None:
        assert backend.log is not None
        return Stores(backend.log, snapshots=backend.snapshots)
    if url == "memory":
        log = MemoryLog(
            retention=retention_of(settings),
            memory=settings.memory_limit,
            clock=clock,
            dedup_age=dedup_age_of(settings),
        )
        return Stores(log, snapshots=MemorySnapshots())
    storage = open_storage(
        _path_of(url),
        fsync=settings.fsync,
        retention=retention_of(settings),
        memory=settings.memory_limit,
        dedup_age=dedup_age_of(settings),
        wall=lambda: wall() / 1000,
    )
    return Stores(storage.log, storage.sessions, storage.directory, snapshots=storage.snapshots)


class _Shared:
    """The backends by their URL: one that serves several settings is opened once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.backends: dict[str, Backend] = {}

    def get(self, setting: str, url: str) -> Backend | None:
        """None for what is not shared."""
        if scheme_of(url) not in OPENERS:
            return None
        if url not in self.backends:
            self.backends[url] = self._open(setting, url)
        return self.backends[url]

    def _open(self, setting: str, url: str) -> Backend:
        module, extra = OPENERS[scheme_of(url)]
        try:
            # Imported when it is named: its driver is an extra.
            opening = import_module(module)
        except ModuleNotFoundError as error:
            if str(error.name).startswith("hubbub"):
                raise
            raise ConfigurationError(setting, f"needs {error.name}: pip install 'hubbub[{extra}]'") from None
        settings = self._settings
        backend: Backend = opening.open_backend(
            url, setting, settings, retention=retention_of(settings), dedup_age=dedup_age_of(settings)
        )
        return backend


EVERYTHING = Retention(messages=2**62, size=2**62, age=math.inf)
"""Of documents' logs, which are dropped from when there are snapshots that make up for it."""


def retention_of(settings: Settings) -> RetentionPolicy:
    """The retention of every log: the settings' own, and what their rules change of it by pattern."""
    default = Retention(settings.retention_messages, settings.retention_bytes, settings.retention_age)
    rules = [(rule.channel, _rule(default, rule)) for rule in settings.channels]
    return RetentionPolicy(default, [("doc:*", EVERYTHING), *rules])


def dedup_age_of(settings: Settings) -> float:
    """Seconds for which a repeat is known: as long as its session may come back."""
    return max(AGE, settings.session_ttl)


def _rule(default: Retention, rule: ChannelSettings) -> Retention:
    return Retention(
        messages=default.messages if rule.messages is None else rule.messages,
        size=default.size if rule.bytes is None else rule.bytes,
        age=default.age if rule.age is None else rule.age,
        conflate=rule.overrun == "conflate",
    )


def _path_of(url: str) -> Path:
    """The file of a store: absolute in `sqlite:///path/to/file`, relative in `sqlite:file`."""
    path = url.removeprefix("sqlite:")
    return Path("/" + path.lstrip("/") if path.startswith("//") else path)
