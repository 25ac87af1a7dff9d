"""One connection as the hub sees it: its state, its counters, and what it is about to be sent."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.session import Session


class State(Enum):
    OPENING = "opening"
    """Upgraded, but nothing said yet."""
    OPEN = "open"
    CLOSING = "closing"
    """Closed by this side; what still comes in is ignored."""
    CLOSED = "closed"


class Transport(Protocol):
    """What the hub needs of a socket (`hubbub.ports.Transport` says it in full)."""

    @property
    def send(self) -> Callable[[bytes], int]: ...
    def write(self, frames: bytes, /) -> object: ...
    def ping(self, payload: bytes) -> None: ...
    def close(self, code: int, reason: str = "") -> None: ...
    def abort(self) -> None: ...
    def buffered(self) -> int: ...


class Connection:
    """Mutable and slotted: there are ten thousand of them.

    Times are monotonic seconds; 0 stands for never.
    """

    __slots__ = (
        "bytes_at_ping",
        "bytes_in",
        "bytes_out",
        "connected_since",
        "granted",
        "id",
        "idle_noticed",
        "last_activity",
        "measured_at",
        "messages_in",
        "messages_out",
        "missed_presence",
        "out",
        "paused",
        "pinged_at",
        "profile",
        "round_trip",
        "session",
        "state",
        "throttled",
        "transport",
        "written_since",
    )

    def __init__(self, id: str, transport: Transport, profile: Profile, now: float) -> None:
        self.id = id
        self.transport = transport
        self.profile = profile
        self.session: Session | None = None
        self.state = State.OPENING
        self.out = b""
        self.paused = False
        """Its socket does not drain."""
        self.throttled = False
        """Its link is bad: it is sent what it can take in a round trip, not all that comes."""
        self.granted = 0
        """Bytes that it was sent on purpose beyond what may be unread, until its socket drains."""
        self.missed_presence = False
        self.messages_in = 0
        self.messages_out = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.connected_since = now
        self.last_activity = now
        self.idle_noticed = False
        self.round_trip: float | None = None
        self.measured_at = now
        self.pinged_at = 0.0
        self.bytes_at_ping = 0
        self.written_since = 0.0

    @property
    def is_pushed(self) -> bool:
        """Whether it gets what is published at once."""
        return not (self.paused or self.throttled)
