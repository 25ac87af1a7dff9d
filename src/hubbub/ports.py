"""The contracts between the hub and the technologies behind it. Bytes in and out; small on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct

from hubbub.protocol.payloads import Position


class Append(Struct, frozen=True):
    """One record to be appended to the log `log`.

    `session` and `message_id` together are the idempotency key; without them there is none.
    """

    log: str
    record: bytes
    session: str = ""
    message_id: str = ""


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


class Transport(Protocol):
    """One peer's socket, as the hub sees it. Nothing blocks; writing to a closed one does nothing."""

    def write(self, frames: bytes, /) -> object:
        """Sends one or more ready WebSocket frames."""
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
