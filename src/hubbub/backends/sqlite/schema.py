"""The tables, and what the file says of itself."""

from __future__ import annotations


def age_limit(now: float, age: float) -> int:
    """The time in the tables' milliseconds before which something is older than `age` seconds, which may be inf."""
    return int(max(0.0, now - age) * 1000)


APPLICATION = 0x48554242
"""SQLite's `application_id` of these files: HUBB."""

VERSION = 2
"""SQLite's `user_version`: the shape of the tables below."""

# Of documents; since version 2. `at` is in seconds since 1970.
SNAPSHOTS = (
    """
    CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document TEXT NOT NULL,
        epoch TEXT NOT NULL,
        revision INTEGER NOT NULL,
        at REAL NOT NULL,
        text BLOB NOT NULL,
        authors BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX snapshots_by_revision ON snapshots (document, epoch, revision)",
)

TABLES = (
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    # `head` is the last offset committed, `floor` the last one that somebody could have missed, `start` the first
    # within the retention; `records` and `size` count from there, `kept` what a log that conflates keeps before.
    # Times (`touched`, `at`) are in milliseconds since 1970.
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        head INTEGER NOT NULL,
        floor INTEGER NOT NULL,
        start INTEGER NOT NULL,
        records INTEGER NOT NULL,
        size INTEGER NOT NULL,
        kept INTEGER NOT NULL,
        touched INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE records (
        log INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        at INTEGER NOT NULL,
        key TEXT,
        record BLOB NOT NULL,
        PRIMARY KEY (log, offset)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX records_by_key ON records (log, key) WHERE key IS NOT NULL",
    # Appended to at its end and not in the order of ids, which are random: few pages change with each commit.
    """
    CREATE TABLE seen (
        id INTEGER PRIMARY KEY,
        session TEXT NOT NULL,
        message_id TEXT NOT NULL,
        log INTEGER NOT NULL,
        epoch TEXT NOT NULL,
        offset INTEGER NOT NULL,
        at INTEGER NOT NULL
    )
    """,
    "CREATE INDEX seen_by_session ON seen (session)",
    """
    CREATE TABLE sessions (
        digest TEXT PRIMARY KEY,
        key TEXT NOT NULL,
        user TEXT NOT NULL,
        connection TEXT NOT NULL,
        created REAL NOT NULL,
        expires REAL NOT NULL,
        state BLOB NOT NULL,
        fence INTEGER NOT NULL
    )
    """,
    "CREATE INDEX sessions_by_user ON sessions (user)",
    "CREATE INDEX sessions_by_connection ON sessions (connection) WHERE connection <> ''",
    "CREATE INDEX sessions_by_expiry ON sessions (expires)",
    """
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) WITHOUT ROWID
    """,
    *SNAPSHOTS,
)
