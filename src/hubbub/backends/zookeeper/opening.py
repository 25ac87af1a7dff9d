"""From a URL to the stores on ZooKeeper."""

from __future__ import annotations

import asyncio

from hubbub.backends.zookeeper.client import PATIENCE, SESSION_TIMEOUT, Client, parse
from hubbub.backends.zookeeper.registry import ZookeeperRegistry
from hubbub.backends.zookeeper.sessions import SWEEP_INTERVAL, ZookeeperSessions
from hubbub.config import Settings
from hubbub.delivery.dedup import AGE
from hubbub.delivery.retention import RetentionPolicy

START_PATIENCE = 10.0
"""Seconds in which a server has to answer at the start."""


class ZookeeperBackend:
    """Sessions and the registry on one ensemble: `zookeeper://host:2181,host:2181/path`. It is no log.

    `connect` before anything is used, `close` after the stores were closed. `patience` in seconds is for each question,
    `start_patience` for the ensemble at the start, `session_timeout` for how soon a dead process is noticed.
    """

    log = None
    directory = None
    presence = None
    mailbox = None
    snapshots = None

    def __init__(
        self,
        url: str,
        *,
        setting: str = "sessions",
        cluster: str = "hubbub",
        patience: float = PATIENCE,
        start_patience: float = START_PATIENCE,
        session_timeout: float = SESSION_TIMEOUT,
    ) -> None:
        self.client = Client(parse(url, setting, cluster), patience=patience, session_timeout=session_timeout)
        self.sessions = ZookeeperSessions(self.client)
        self.registry = ZookeeperRegistry(self.client)
        self._setting = setting
        self._start_patience = start_patience
        self._sweeping: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Raises `ConfigurationError` when no server answers."""
        await self.client.open(self._setting, self._start_patience)
        self._sweeping = asyncio.get_running_loop().create_task(self.sessions.sweep_on(SWEEP_INTERVAL))

    async def close(self) -> None:
        """Hangs up: this process's nodes are gone at once."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self.client.close()


def open_backend(
    url: str,
    setting: str,
    settings: Settings,
    *,
    retention: RetentionPolicy | None = None,
    dedup_age: float = AGE,
) -> ZookeeperBackend:
    """What `hubbub.app.stores` opens: a log's retention and repeats are none of its business."""
    return ZookeeperBackend(url, setting=setting, cluster=settings.cluster)
