"""Logs, sessions and facts in one SQLite file: durable with nothing to install. `storage.open_storage` opens it."""
