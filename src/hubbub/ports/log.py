"""Logs: appending, reading, and following one that several nodes share."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from msgspec import Struct

from hubbub.protocol.payloads import Position


class Append(Struct, frozen=True):
    """One record to be appended to the log `log`.

    `session` and `message_id` together are the idempotency key; without them there is none. `key` is what a
    log that conflates goes by: there the newest record of each key outlives the retention. With `expected` the
    record is appended only if that is the offset of the log's last record, else it is refused as a `conflict`, and
    with it every later one of the batch that expects something of that log, since it was to stand behind it; a repeat
    is answered as such all the same. Not every log can do that (`Log.conditional`).
    """

    log: str
    record: bytes
    session: str = ""
    message_id: str = ""
    key: str = ""
    expected: int | None = None


class Appended(Struct, frozen=True):
    """Where the record stands; for a repeat, where the first one stands."""

    epoch: str
    offset: int
    repeated: bool = False


class Refused(Struct, frozen=True):
    """The record is not in the log: a code of docs/protocol.md section 6, or `conflict`, and why."""

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

    @property
    def conditional(self) -> bool:
        """Whether `Append.expected` is honoured; where it is not, an append that has one is refused (`unavailable`)."""
        ...

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


class DocumentLog(Log, Protocol):
    """A log that documents can be kept in: it is `conditional`, and keeps what it is not told to drop.

    For the names of documents, that is: their retention is whoever keeps documents to decide.
    """

    def trim(self, log: str, upto: int) -> Awaitable[None] | None:
        """Drops the records at offsets up to and including this one; `oldest` is above it from then on."""
        ...


class Sink(Protocol):
    """Who is told of what comes into the logs it follows. Called in the loop of whoever follows."""

    def arrived(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        """New records of a followed log in its order, this node's own included. What is known may come again."""
        ...

    def interrupted(self, log: str) -> None:
        """Records may have been missed: whoever follows reads the log from where it is. More may arrive as before."""
        ...


class SharedLog(Log, Protocol):
    """A log that several nodes append to and follow. Its answers come later; it raises `OSError` when it is away.

    An append that fails so may yet be in the log: it is to be repeated under its idempotency key, or not at all.
    """

    @property
    def dense(self) -> bool:
        """Whether the offsets of a log have no holes, so that one that is skipped was missed."""
        ...

    def follow(self, log: str, sink: Sink) -> Awaitable[Position]:
        """Begins to follow, and answers the log's head: every record after it comes to the sink.

        Records up to it may come too, and records may come before the answer does.
        """
        ...

    def unfollow(self, log: str, sink: Sink) -> None:
        """Nothing more comes of this log. Harmless when it is not followed."""
        ...
