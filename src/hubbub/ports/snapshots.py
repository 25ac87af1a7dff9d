"""Snapshots of documents."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct


class Snapshot(Struct, frozen=True):
    """A document as it was at a revision of an epoch: its text in UTF-8, and who wrote it, which is opaque here.

    `at` is when it was taken, in seconds since 1970.
    """

    epoch: str
    revision: int
    at: float
    text: bytes
    authors: bytes


class SavedSnapshot(Struct, frozen=True):
    """Which snapshot there is, without its content."""

    epoch: str
    revision: int
    at: float


class Snapshots(Protocol):
    """Snapshots of documents by name, in the order in which they were saved."""

    def save(self, document: str, snapshot: Snapshot) -> Awaitable[None] | None:
        """Adds one; one of the same epoch and revision is replaced."""
        ...

    def latest(self, document: str) -> Awaitable[Snapshot | None] | Snapshot | None:
        """The one that was saved last."""
        ...

    def before(self, document: str, epoch: str, revision: int) -> Awaitable[Snapshot | None] | Snapshot | None:
        """The one of the epoch with the highest revision that is not above this."""
        ...

    def saved(self, document: str) -> Awaitable[Sequence[SavedSnapshot]] | Sequence[SavedSnapshot]: ...

    def drop(self, document: str, epoch: str, revision: int) -> Awaitable[None] | None:
        """Removes those that were saved before this one; harmless when this one is not there."""
        ...

    def names(self) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The documents of which there is any, sorted."""
        ...

    def close(self) -> Awaitable[None] | None: ...
