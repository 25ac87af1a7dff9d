"""Small facts by name."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol


class Directory(Protocol):
    """Small facts by name that outlive a process: which rooms there are, who is muted."""

    def get(self, name: str) -> Awaitable[bytes | None] | bytes | None: ...

    def put(self, name: str, value: bytes) -> Awaitable[None] | None: ...

    def create(self, name: str, value: bytes) -> Awaitable[bool] | bool:
        """Puts it unless the name is taken. Returns whether it did; of several at once one does."""
        ...

    def delete(self, name: str) -> Awaitable[None] | None: ...

    def names(self, prefix: str) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The names that begin so, sorted."""
        ...

    def close(self) -> Awaitable[None] | None: ...
