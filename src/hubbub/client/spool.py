"""Publications on disk: a queue in a SQLite file, which survives the process."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from hubbub.errors import BadMessage, ConfigurationError, OutcomeUnknown, error_of
from hubbub.protocol.messages import ApplicationMessage
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.client")

_SETUP = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS outbox (row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, body BLOB NOT NULL);
"""


class Publication:
    """A message on its way into a log, and who waits for its acknowledgement: nobody, if it is of an earlier process.

    While it is on disk only, it has no message here.
    """

    __slots__ = ("future", "id", "message", "row")

    def __init__(self, id: str, message: ApplicationMessage | None, future: asyncio.Future[Position] | None) -> None:
        self.id = id
        self.message = message
        self.future = future
        self.row: int | None = None
        """Where it is on disk; None where it is not."""


class SqliteSpool:
    """Implements `hubbub.delivery.outbox.Spool`.

    What was appended survives the end of the process; after a power failure the last of it may be missing, since
    the disk is not waited for. Every call takes some tens of microseconds, in which the loop does nothing else.
    """

    def __init__(
        self,
        path: str | Path,
        encode: Callable[[ApplicationMessage], bytes],
        decode: Callable[[bytes], ApplicationMessage],
    ) -> None:
        """Raises `ConfigurationError` (`outbox_path`) for a file that cannot be had, or that another client has."""
        self._encode = encode
        self._decode = decode
        self._owned: dict[int, Publication] = {}
        self._taken = 0
        try:
            self._file = sqlite3.connect(path, timeout=0, isolation_level=None)
            self._file.executescript(_SETUP)
            self._untaken = int(self._file.execute("SELECT count(*) FROM outbox").fetchone()[0])
        except sqlite3.Error as error:
            raise ConfigurationError("outbox_path", f"{path}: {error}; each client needs a file of its own") from error

    def __len__(self) -> int:
        return self._untaken

    def append(self, item: Publication) -> None:
        """Raises `TryLater` (`unavailable`) when the disk is full or broken: nothing is kept of it."""
        assert item.message is not None
        body = self._encode(item.message)
        try:
            cursor = self._file.execute("INSERT INTO outbox (id, body) VALUES (?, ?)", (item.id, body))
        except sqlite3.Error as error:
            reason = f"the outbox cannot be written: {error}"
            raise error_of("unavailable", reason, message_id=item.id, retry_after_ms=1000) from error
        item.row = cursor.lastrowid
        assert item.row is not None
        item.message = None
        self._owned[item.row] = item
        self._untaken += 1

    def take(self, count: int) -> Sequence[Publication]:
        """The next ones; one that cannot be decoded any more has no message.

        When the disk cannot be read there are none now; they come with a later call.
        """
        query = "SELECT row, id, body FROM outbox WHERE row > ? ORDER BY row LIMIT ?"
        try:
            rows = self._file.execute(query, (self._taken, count)).fetchall()
        except sqlite3.Error:
            log.exception("the outbox cannot be read")
            return []
        return [self._restore(*row) for row in rows]

    def discard(self, item: Publication) -> None:
        """Takes it off the disk; does nothing for one that is not there."""
        if item.row is None:
            return
        if self._owned.pop(item.row, None) is not None:
            self._untaken -= 1
        try:
            self._file.execute("DELETE FROM outbox WHERE row = ?", (item.row,))
        except sqlite3.Error:
            # It stays, and is published again by the next process: a duplicate rather than a loss.
            log.exception("message %s cannot be taken off the outbox", item.id)
        item.row = None

    def close(self) -> None:
        """Gives the file back. What is on disk stays there, for the next client; who waits for it learns no more."""
        for item in self._owned.values():
            if item.future is not None and not item.future.done():
                item.future.set_exception(OutcomeUnknown(item.id))
        self._owned.clear()
        self._file.close()

    def _restore(self, row: int, id: str, body: bytes) -> Publication:
        self._taken = row
        self._untaken -= 1
        item = self._owned.pop(row, None) or Publication(id, None, None)
        item.row = row
        try:
            item.message = self._decode(body)
        except BadMessage as error:
            log.warning("message %s of the outbox cannot be decoded: %s", id, error)
        return item
