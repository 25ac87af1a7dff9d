"""The tables. Each hub cluster has a schema of its own."""

from __future__ import annotations

VERSION = 1

LOCK = 0x48554242
"""The advisory lock under which the tables are made: several nodes may start at once."""

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO meta VALUES ('epoch', $EPOCH$), ('version', '1') ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS logs (
    id bigserial PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    epoch text NOT NULL,
    head bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS records (
    log bigint NOT NULL,
    place bigint NOT NULL,
    record bytea NOT NULL,
    PRIMARY KEY (log, place)
);
CREATE TABLE IF NOT EXISTS seen (
    id bigserial PRIMARY KEY,
    session text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    epoch text NOT NULL,
    place bigint NOT NULL,
    UNIQUE (session, message_id)
);
CREATE TABLE IF NOT EXISTS snapshots (
    id bigserial PRIMARY KEY,
    document text COLLATE "C" NOT NULL,
    epoch text NOT NULL,
    revision bigint NOT NULL,
    at double precision NOT NULL,
    text bytea NOT NULL,
    authors bytea NOT NULL,
    UNIQUE (document, epoch, revision)
);
"""
"""`floor` is the last offset that was dropped; offsets are called `place` here, since that word is SQL's own."""
