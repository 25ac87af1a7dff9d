"""After a crash of the machine while nothing was waited for, parts of the file may be older than others."""

from __future__ import annotations

from pathlib import Path

from hubbub.backends.sqlite.connection import Connection
from hubbub.errors import ConfigurationError


def mend(connection: Connection, path: Path) -> None:
    """Makes the tables agree with each other again. Raises `ConfigurationError` for a file that is damaged.

    Reads the whole file. What is there of records stays; which ones are gone cannot be told.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ConfigurationError(
            "log",
            f"{path} was damaged when the machine crashed while `fsync` was off ({found}); "
            "restore it from a copy, or name another file",
        )
    connection.execute("DELETE FROM records WHERE log NOT IN (SELECT id FROM logs)")
    connection.execute(
        """
        UPDATE logs SET
            head = max(head, coalesce((SELECT max(offset) FROM records WHERE log = id), 0)),
            records = (SELECT count(*) FROM records WHERE log = id AND offset >= start),
            size = (SELECT coalesce(sum(length(record)), 0) FROM records WHERE log = id AND offset >= start),
            kept = (SELECT count(*) FROM records WHERE log = id AND offset < start)
        """
    )
    # A repeat of what is gone is no repeat.
    connection.execute("DELETE FROM seen WHERE offset > coalesce((SELECT head FROM logs WHERE id = log), 0)")
