"""From a URL to what documents are kept in."""

from __future__ import annotations

from hubbub.backends.postgres.database import Database
from hubbub.backends.postgres.log import PostgresLog
from hubbub.backends.postgres.snapshots import PostgresSnapshots


class PostgresBackend:
    """A log and snapshots in one database: `postgresql://user@host/database`. For documents, and nothing else.

    `connect` before anything is used, `close` after everything else. `cluster` is the schema.
    """

    def __init__(self, url: str, *, setting: str = "documents", cluster: str = "hubbub") -> None:
        self._database = Database(url, setting=setting, schema=cluster)
        self.log = PostgresLog(self._database)
        self.snapshots = PostgresSnapshots(self._database)
        self.sessions = self.directory = self.presence = self.registry = self.mailbox = None

    async def connect(self) -> None:
        """Raises `ConfigurationError` when the server cannot be used."""
        await self._database.connect()

    async def close(self) -> None:
        await self.log.close()
        await self._database.close()
