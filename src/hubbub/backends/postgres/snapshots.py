"""Snapshots of documents on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.backends.postgres.database import Database
from hubbub.ports import SavedSnapshot, Snapshot

_COLUMNS = "epoch, revision, at, text, authors"


class PostgresSnapshots:
    """Implements `Snapshots`. While the database is away everything raises `OSError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, document: str, snapshot: Snapshot) -> None:
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(
                "DELETE FROM snapshots WHERE document = $1 AND epoch = $2 AND revision = $3",
                document,
                snapshot.epoch,
                snapshot.revision,
            )
            # Always a new id: it is the latest.
            await connection.execute(
                "INSERT INTO snapshots (document, epoch, revision, at, text, authors) VALUES ($1, $2, $3, $4, $5, $6)",
                document,
                snapshot.epoch,
                snapshot.revision,
                snapshot.at,
                snapshot.text,
                snapshot.authors,
            )

    async def latest(self, document: str) -> Snapshot | None:
        sql = f"SELECT {_COLUMNS} FROM snapshots WHERE document = $1 ORDER BY id DESC LIMIT 1"  # noqa: S608
        return await self._find(sql, document)

    async def before(self, document: str, epoch: str, revision: int) -> Snapshot | None:
        sql = (
            f"SELECT {_COLUMNS} FROM snapshots WHERE document = $1 AND epoch = $2 AND revision <= $3 "  # noqa: S608
            "ORDER BY revision DESC LIMIT 1"
        )
        return await self._find(sql, document, epoch, revision)

    async def saved(self, document: str) -> Sequence[SavedSnapshot]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT epoch, revision, at FROM snapshots WHERE document = $1 ORDER BY id", document
            )
        return [SavedSnapshot(*row) for row in rows]

    async def drop(self, document: str, epoch: str, revision: int) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM snapshots WHERE document = $1 AND id < "
                "(SELECT id FROM snapshots WHERE document = $1 AND epoch = $2 AND revision = $3)",
                document,
                epoch,
                revision,
            )

    async def names(self) -> Sequence[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT DISTINCT document FROM snapshots ORDER BY document")
        return [row["document"] for row in rows]

    async def close(self) -> None:
        """Nothing is under way."""

    async def _find(self, sql: str, *values: Any) -> Snapshot | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(sql, *values)
        return None if row is None else Snapshot(*row)
