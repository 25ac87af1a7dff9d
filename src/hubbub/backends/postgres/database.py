"""The connections to one database, and what its failures are called."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from hubbub.backends.postgres.schema import LOCK, TABLES
from hubbub.config.stores import hide_password
from hubbub.errors import ConfigurationError

_CONNECTIONS = 4
_PATIENCE = 10.0
"""Seconds that a statement may take, and a connection to be had."""


class Database:
    """A pool of connections; `connect` first, and `close` in the end.

    While the server is away everything raises `OSError`, and it is over by itself when it is back.
    """

    def __init__(self, url: str, *, setting: str, schema: str) -> None:
        self._url = url
        self._setting = setting
        self._schema = schema
        self._pool: Any = None
        self.epoch = ""
        """Of logs that begin."""

    async def connect(self) -> None:
        """Makes the tables if they are not there. Raises `ConfigurationError` when the server cannot be used."""
        quoted = '"' + self._schema.replace('"', '""') + '"'
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=_CONNECTIONS,
                timeout=_PATIENCE,
                command_timeout=_PATIENCE,
                server_settings={"search_path": quoted, "application_name": "hubbub"},
            )
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
                await connection.execute(TABLES.replace("$EPOCH$", f"'{secrets.token_hex(6)}'"))
                self.epoch = await connection.fetchval("SELECT value FROM meta WHERE name = 'epoch'")
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            problem = f"{hide_password(self._url)} cannot be used: {error or type(error).__name__}"
            raise ConfigurationError(self._setting, f"{problem}; start it, or name another one") from None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection for a while. Raises `OSError` when there is none, or when it fails."""
        if self._pool is None:
            raise ConnectionError("the database is not connected to")
        try:
            async with self._pool.acquire(timeout=_PATIENCE) as connection:
                yield connection
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionError(f"the database fails: {error or type(error).__name__}") from error

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
