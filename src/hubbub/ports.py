"""The contracts between the hub and the technologies behind it. Bytes in and out; small on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

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

    def create(self, name: str, value: bytes) -> Awaitable[bool] | bool:
        """Puts it unless the name is taken. Returns whether it did; of several at once one does."""
        ...

    def delete(self, name: str) -> Awaitable[None] | None: ...

    def names(self, prefix: str) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The names that begin so, sorted."""
        ...

    def close(self) -> Awaitable[None] | None: ...


class Joined(Struct, frozen=True):
    """The session is in; `first` says that it is its user's first there, `count` how many users there are now."""

    first: bool
    count: int


class Left(Struct, frozen=True):
    """The session is out; `last` says that it was its user's last there, `count` how many users there are now."""

    space: str
    user: str
    last: bool
    count: int


class Members(Struct, frozen=True):
    """How many users are in a space, and some or all of them, in the order they came."""

    count: int
    users: Sequence[str]


class Presence(Protocol):
    """Who is in which space (a room, a user's connections), over all nodes. Each entry belongs to one node."""

    def join(
        self, space: str, user: str, session: str, node: str, *, limit: int | None = None
    ) -> Awaitable[Joined | None] | Joined | None:
        """Enters atomically; None when `limit` users are in already and this is not one of them.

        A session that is in already keeps its place, and belongs to `node` from now on (`first` is false then).
        """
        ...

    def leave(self, space: str, user: str, session: str, node: str) -> Awaitable[Left] | Left:
        """Leaves, if the entry belongs to `node`; else nothing changes and `last` is false."""
        ...

    def members(self, space: str, limit: int) -> Awaitable[Members] | Members: ...

    def drop(self, node: str) -> Awaitable[Sequence[Left]] | Sequence[Left]:
        """Removes all entries of a node that is gone. Of several that do so at once one gets each departure."""
        ...

    def holders(self) -> Awaitable[Sequence[str]] | Sequence[str]:
        """The nodes that have entries, those among them that are gone and were not dropped yet, too."""
        ...

    def close(self) -> Awaitable[None] | None: ...


class NodeRecord(Struct, frozen=True):
    """A node as the others see it. `run` tells one start of it from the next; `load` is its connections.

    `url` is where clients reach it by itself (ws:// or wss://), empty when they cannot.
    """

    name: str
    run: str
    url: str = ""
    load: int = 0
    capacity: int = 0
    state: Literal["up", "draining"] = "up"
    started: float = 0.0


class Lease(Struct, frozen=True):
    """Something that one holder at a time has. `fence` grows with each new holder."""

    name: str
    holder: str
    fence: int


class Registry(Protocol):
    """Which nodes there are, and what each of them holds. What is not renewed in time is gone."""

    def announce(self, record: NodeRecord, ttl: float) -> Awaitable[bool] | bool:
        """The node lives for `ttl` seconds more. False when another run has the name now."""
        ...

    def withdraw(self, name: str, run: str) -> Awaitable[None] | None:
        """The node is gone at once; harmless when another run has the name."""
        ...

    def nodes(self) -> Awaitable[Sequence[NodeRecord]] | Sequence[NodeRecord]:
        """The nodes that live, sorted by name."""
        ...

    def lease(self, name: str, holder: str, ttl: float) -> Awaitable[Lease | None] | Lease | None:
        """Takes or renews the lease for `ttl` seconds; None while another holder has it. A renewal keeps its fence."""
        ...

    def release(self, lease: Lease) -> Awaitable[None] | None:
        """Gives it back; harmless when it is another's by now."""
        ...

    def close(self) -> Awaitable[None] | None: ...


class Mailbox(Protocol):
    """Small messages between nodes beside the logs: to whoever has opened the topic, at most once.

    From one sender they come in order. `receive` is called in the loop of whoever opened, the sender's own
    messages too.
    """

    def open(self, topic: str, receive: Callable[[bytes], None]) -> Awaitable[None] | None:
        """Returns when what is sent from now on comes. One `receive` a topic and mailbox."""
        ...

    def leave(self, topic: str) -> None:
        """Nothing more comes. Harmless when it is not open."""
        ...

    def send(self, topic: str, message: bytes) -> None:
        """Sends soon, without waiting; while the backend is away it is dropped."""
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
