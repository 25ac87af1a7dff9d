"""From settings to the stores behind the hub: which technology, and what each log keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.sqlite.storage import open_storage
from hubbub.config import ChannelSettings, Settings
from hubbub.delivery.dedup import AGE
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Directory, Log, Sessions


class Stores(NamedTuple):
    """What a node keeps its state in. Without `sessions` and `directory` it ends with the process."""

    log: Log
    sessions: Sessions | None = None
    directory: Directory | None = None


def open_stores(settings: Settings, clock: Callable[[], float], wall: Callable[[], int]) -> Stores:
    """Opens what the setting `log` names. `clock` in seconds, `wall` in milliseconds since 1970.

    Raises `ConfigurationError` when it cannot be used.
    """
    retention = retention_of(settings)
    # A repeat is known as long as its session may come back.
    dedup_age = max(AGE, settings.session_ttl)
    if settings.log == "memory":
        return Stores(MemoryLog(retention=retention, memory=settings.memory_limit, clock=clock, dedup_age=dedup_age))
    storage = open_storage(
        Path(settings.log_path),
        fsync=settings.fsync,
        retention=retention,
        memory=settings.memory_limit,
        dedup_age=dedup_age,
        wall=lambda: wall() / 1000,
    )
    return Stores(storage.log, storage.sessions, storage.directory)


def retention_of(settings: Settings) -> RetentionPolicy:
    """The retention of every log: the settings' own, and what their rules change of it by pattern."""
    default = Retention(settings.retention_messages, settings.retention_bytes, settings.retention_age)
    return RetentionPolicy(default, [(rule.channel, _rule(default, rule)) for rule in settings.channels])


def _rule(default: Retention, rule: ChannelSettings) -> Retention:
    return Retention(
        messages=default.messages if rule.messages is None else rule.messages,
        size=default.size if rule.bytes is None else rule.bytes,
        age=default.age if rule.age is None else rule.age,
        conflate=rule.overrun == "conflate",
    )
