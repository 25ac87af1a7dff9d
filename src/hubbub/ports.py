"""The contracts between the hub and the technologies behind it. Bytes in and out; small on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from hubbub.protocol.payloads import Position


class Append(Struct, frozen=True):
    """One record to be appended to the log `log`.

    `session` and `message_id` together are the idempotency key; without them there is none. `key` is what a
    log that conflates goes by: there the newest record of each key outlives the retention.
    """

    log: str
    record: bytes
    session: str = ""
    message_id: str = ""
    key: str = ""


class Appended(Struct, frozen=True):
    """Where the record stands; for a repeat, where the first one stands."""

    epoch: str
    offset: int
    repeated: bool = False


class Refused(Struct, frozen=True):
    """The record is not in the log: a code of docs/protocol.md section 6, and why."""

    code: str
    reason: str


class Page(Struct, frozen=True):
    """A stretch of a log, in order.

    `entries` are (offset, record). `oldest` is the first offset still kept and `head` the last one given
    out (0: none yet): a reader that was at `after < oldest - 1` has missed what lies between.
    `complete` says that nothing within the asked range was left out by the limit.
    """

    epoch: str
    entries: Sequence[tuple[int, bytes]]
    oldest: int
    head: int
    complete: bool


class Log(Protocol):
    """Many named logs. Each is ordered and bounded by its retention; offsets only grow, and may have holes."""

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused] | Awaitable[Sequence[Appended | Refused]]:
        """Appends each record or refuses it, in the batch's order; all answered together."""
        ...

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page | Awaitable[Page]:
        """At most `limit` records between the exclusive offsets `after` and `before`, ascending.

        When there are more, the oldest of them, or with `newest` the newest.
        """
        ...

    def head(self, log: str) -> Position | Awaitable[Position]:
        """The position of the last record; offset 0 for a log without records."""
        ...

    def forget(self, session: str) -> None:
        """The session ended: its idempotency keys are of no more use."""
        ...

    def close(self) -> Awaitable[None] | None:
        """What was accepted is brought to safety, and nothing comes any more."""
        ...


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


class Directory(Protocol):
    """Small facts by name that outlive a process: which rooms there are, who is muted."""

    def get(self, name: str) -> Awaitable[bytes | None] | bytes | None: ...

    def put(self, name: str, value: bytes) -> Awaitable[None] | None: ...

    def delete(self, name: str) -> Awaitable[None] | None: ...

    def names(self, prefix: str) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The names that begin so, sorted."""
        ...

    def close(self) -> Awaitable[None] | None: ...


class Transport(Protocol):
    """One peer's socket, as the hub sees it. Nothing blocks; writing to a closed one does nothing."""

    @property
    def send(self) -> Callable[[bytes], int]:
        """The hot path's `write`: takes of one or more ready frames what it can at once, and returns how many bytes.

        The rest is to be given to `write`, and so is all of it when this raises `OSError`.
        """
        ...

    def write(self, frames: bytes, /) -> object:
        """Sends one or more ready WebSocket frames, now or when the socket drains."""
        ...

    def ping(self, payload: bytes) -> None: ...

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; what was written before goes out first."""
        ...

    def abort(self) -> None:
        """Ends the connection at once."""
        ...

    def buffered(self) -> int:
        """Bytes written and not yet taken by the socket."""
        ...

    def pause_reading(self) -> None:
        """Nothing more is wanted of the peer for now."""
        ...

    def resume_reading(self) -> None: ...
