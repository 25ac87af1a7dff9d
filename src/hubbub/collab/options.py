"""What documents can be told."""

from __future__ import annotations

from typing import TypedDict

from msgspec import Struct

from hubbub import ConfigurationError


class DocumentOptions(Struct, frozen=True, kw_only=True):
    """Times are in seconds. Raises `ConfigurationError`, naming the option, for values that make no sense."""

    snapshot_operations: int = 1000
    """Operations after which a snapshot is taken."""
    snapshot_seconds: float = 60.0
    """How long after an operation a snapshot is taken at the latest."""
    keep_seconds: float = 30 * 24 * 3600.0
    """How long operations are kept at least: an author who was away for so long can still come back as if not."""
    idle_seconds: float = 60.0
    """How long after its last reader left a document is in memory."""
    max_units: int = 10_000_000
    """Length of a document, in UTF-16 units."""
    max_queued: int = 1024
    """Operations of one document that wait; above it they are refused with `too_many_pending`."""
    max_late: int = 16
    """Operations of one document that are mapped over very many others at a time; likewise."""

    lease_seconds: float = 5.0
    """Among several nodes: how long after its last sign of life a document's owner is followed by another."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ConfigurationError(name, "must be above 0")


class Options(TypedDict, total=False):
    """The fields of `DocumentOptions`, as keywords of `Documents`."""

    snapshot_operations: int
    snapshot_seconds: float
    keep_seconds: float
    idle_seconds: float
    max_units: int
    max_queued: int
    max_late: int
    lease_seconds: float
