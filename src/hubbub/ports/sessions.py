"""Sessions beside the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct


class SessionRecord(Struct, frozen=True):
    """A session as it is kept beside the hub: enough to bring it back after a crash, or elsewhere.

    `digest` is the SHA-256 of the secret session id, in hexadecimal: the id itself is never stored. `key` names
    the session in idempotency keys. Times are in seconds since 1970. `state` is the hub's, opaque here.
    `fence` only grows: a save with a lower one than what is stored is refused.
    """

    digest: str
    key: str
    user: str
    connection: str
    created: float
    expires: float
    state: bytes
    fence: int = 0


class Sessions(Protocol):
    """Sessions by digest, by user and by connection. An expired one is as good as deleted."""

    def save(self, record: SessionRecord) -> Awaitable[bool] | bool:
        """Creates or replaces it. False when a newer fence is stored: the session is another's now."""
        ...

    def load(self, digest: str) -> Awaitable[SessionRecord | None] | SessionRecord | None: ...

    def delete(self, digest: str) -> Awaitable[None] | None:
        """Removes it from every index; harmless when it is not there."""
        ...

    def of_user(self, user: str) -> Awaitable[Sequence[SessionRecord]] | Sequence[SessionRecord]:
        """All sessions of a user that have not expired, the oldest first."""
        ...

    def of_connection(self, connection: str) -> Awaitable[SessionRecord | None] | SessionRecord | None: ...

    def close(self) -> Awaitable[None] | None: ...
