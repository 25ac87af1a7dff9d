"""From `broker:///path` to the stores of the process that started this one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from hubbub.backends.broker.link import BrokerLink
from hubbub.backends.broker.log import BrokerLog
from hubbub.backends.broker.members import BrokerMailbox, BrokerPresence, BrokerRegistry
from hubbub.backends.broker.stores import BrokerDirectory, BrokerSessions, BrokerSnapshots
from hubbub.config import Settings
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.broker")


def end_process() -> None:
    """The broker is gone, and with it logs and sessions: there is nothing left to serve, nor to be saved."""
    log.critical("the broker is gone: this worker ends")
    os._exit(1)


class BrokerBackend:
    """Every store that workers need, over one connection. `lost` is called when that ends."""

    def __init__(self, path: Path, lost: Callable[[], None] = end_process) -> None:
        self._path = path
        self.link = BrokerLink(lost)
        self.log = BrokerLog(self.link)
        self.sessions = BrokerSessions(self.link)
        self.directory = BrokerDirectory(self.link)
        self.presence = BrokerPresence(self.link)
        self.registry = BrokerRegistry(self.link)
        self.mailbox = BrokerMailbox(self.link)
        self.snapshots = BrokerSnapshots(self.link)

    async def connect(self) -> None:
        """Raises `ConfigurationError` when there is no broker."""
        try:
            await self.link.connect(self._path)
        except OSError as error:
            raise ConfigurationError("backend", f"no broker at {self._path}: {error.strerror}") from None

    async def close(self) -> None:
        """Hangs up."""
        self.link.close()


def open_backend(
    url: str, setting: str, settings: Settings, *, retention: RetentionPolicy, dedup_age: float
) -> BrokerBackend:
    """What `hubbub.app.stores` opens. What logs keep is the broker's business."""
    return BrokerBackend(Path(url.removeprefix("broker:")))
