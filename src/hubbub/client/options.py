"""What a client is told when it is made, checked as a whole."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypedDict

from msgspec import Struct, field

from hubbub.client.socket import open_socket
from hubbub.delivery import backoff, outbox, retransmission
from hubbub.errors import ConfigurationError, ConnectionClosed
from hubbub.protocol.catalog import Catalog

Token = str | Callable[[], str | Awaitable[str]]
"""What proves who one is, or what is asked for it: for every connection, and before it expires."""


class ClientSocket(Protocol):
    """A WebSocket as the client needs it. `send` does nothing once the socket is closing."""

    def send(self, data: bytes, *, is_text: bool) -> None: ...
    def close(self, code: int = 1000, reason: str = "") -> None: ...
    def abort(self) -> None: ...
    async def wait_closed(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Dial(Protocol):
    """Opens a WebSocket; raises `OSError` or `ConnectionClosed` when that fails, `TryLater` to be asked later.

    `on_message` gets every message, `on_closed` the end, once; nothing comes after it.
    """

    async def __call__(
        self,
        url: str,
        *,
        subprotocol: str,
        token: str | None,
        compression: bool,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
    ) -> ClientSocket: ...


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class ClientOptions(Struct, frozen=True, kw_only=True):
    """Times are in seconds. Raises `ConfigurationError`, naming the option, for values that make no sense."""

    token: Token | None = None
    user: str | None = None
    """A name, where anonymous users are allowed."""
    profile: dict[str, Any] | None = None
    codec: str = "json"
    compression: bool = True
    catalog: Catalog = field(default_factory=lambda: Catalog(accept_unknown=True))
    patience: float = 15.0
    """For the answer to a request that is no publish."""
    ack_timeout: float = retransmission.TIMEOUT
    """After which a publish that was not acknowledged is sent again."""
    ack_retries: int = retransmission.RETRIES
    max_pending: int = retransmission.LIMIT
    """Publishes without an acknowledgement; requests, likewise."""
    connect_timeout: float = 10.0
    """For a connection and its welcome."""
    initial_delay: float = backoff.INITIAL
    max_delay: float = backoff.MAXIMUM
    max_reconnect_attempts: int | None = None
    """Attempts in a row that may fail; None: for ever; 0: it never reconnects."""
    outbox_limit: int = outbox.LIMIT
    """Messages that may wait in memory for a connection or a better link."""
    outbox_path: str | Path | None = None
    """A SQLite file for those beyond, and for those of a bad link. It belongs to one user, and one client at a time."""
    outbox_disk_limit: int = outbox.DISK_LIMIT
    dial: Dial = open_socket
    rng: random.Random = field(default_factory=random.Random)
    """For jitter and message ids: they need to be unique, not secret."""
    wall: Callable[[], int] = wall_ms
    """Milliseconds since 1970, for timestamps."""

    def __post_init__(self) -> None:
        if self.codec not in ("json", "protobuf"):
            raise ConfigurationError("codec", "say json or protobuf")
        for name in ("patience", "ack_timeout", "connect_timeout", "initial_delay", "max_delay"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(name, "more than 0 seconds")
        for name in ("max_pending", "outbox_limit", "outbox_disk_limit"):
            if getattr(self, name) < 1:
                raise ConfigurationError(name, "at least 1")
        if self.ack_retries < 0:
            raise ConfigurationError("ack_retries", "0 or more")
        if self.max_reconnect_attempts is not None and self.max_reconnect_attempts < 0:
            raise ConfigurationError("max_reconnect_attempts", "0 or more, or None for ever")


class Options(TypedDict, total=False):
    """The fields of `ClientOptions`, as keywords of `connect`."""

    token: Token | None
    user: str | None
    profile: dict[str, Any] | None
    codec: str
    compression: bool
    catalog: Catalog
    patience: float
    ack_timeout: float
    ack_retries: int
    max_pending: int
    connect_timeout: float
    initial_delay: float
    max_delay: float
    max_reconnect_attempts: int | None
    outbox_limit: int
    outbox_path: str | Path | None
    outbox_disk_limit: int
    dial: Dial
    rng: random.Random
    wall: Callable[[], int]
