"""Settings: one frozen value, checked as a whole when it is made; a wrong one is refused by its name."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_network
from typing import Any, Literal

from msgspec import Struct

from hubbub.config.stores import STORES, check_store
from hubbub.errors import ConfigurationError


class RoomSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A room that exists from the start."""

    id: str
    name: str = ""
    capacity: int = 100
    metadata: dict[str, Any] = {}


class ChannelSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for the logs whose name matches `channel`: `room:lobby`, `room:game-*`, `topic:metrics`, `user:*`.

    All topics with one first segment share a log, which is named by it. What is not set is as everywhere.
    `overrun` says what becomes of a reader that no longer finds what comes next: it is told of the `gap`, it is
    sent away (`disconnect`, restorable), or it gets the newest record of each `key` (`conflate`): `key` is where
    that stands in a message, as `payload.symbol`.
    """

    channel: str
    messages: int | None = None
    bytes: int | None = None
    age: float | None = None
    overrun: Literal["gap", "disconnect", "conflate"] = "gap"
    key: str = ""

    def __post_init__(self) -> None:
        for name in ("messages", "bytes", "age"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigurationError(f"channels.{name}", f"{self.channel}: must be above 0")
        if (self.overrun == "conflate") is not bool(self.key):
            raise ConfigurationError(
                "channels.key",
                f"{self.channel}: overrun = 'conflate' and key belong together, as key = 'payload.symbol'",
            )
        if self.key and self.key.split(".")[0] not in ("payload", "metadata", "sender"):
            raise ConfigurationError("channels.key", f"{self.key!r}: begin with payload, metadata or sender")


class JwtSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How tokens are verified: a shared `secret` (HS256) or a `public_key` in PEM (RS256)."""

    secret: str = ""
    public_key: str = ""
    audience: str = ""
    issuer: str = ""
    user_claim: str = "sub"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set. Times are in seconds, sizes in bytes.

    Read from a TOML file and from `HUBBUB_*` variables by `load_settings`, or made in code.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    """Processes on the port, for `hubbub serve`: one for a core."""
    own_port: int | None = None
    """Another port, of this process alone: for its metrics, and clients that are sent here; of workers the first's."""
    reuse_port: bool = False
    """Whether other processes may listen on the same port; the system spreads connections among them."""
    node: str = ""
    """This node's name in `welcome`, and in a cluster; the machine's by default, there with a random end."""
    advertise: str = ""
    """The ws:// or wss:// URL at which clients reach this very node; by default where it listens."""
    migration_timeout: float = 10.0
    """For a client that is told to go to another node to get there."""
    drain_over: float = 10.0
    """Over how long at most a node that stops sends its clients to others."""
    anonymous: bool = False
    """Whether users without credentials get in, under any name they say."""
    origins: tuple[str, ...] = ()
    """Origins of pages that may connect, besides the server's own; `*` allows every page."""
    compression: bool = True
    max_message: int = 64 * 1024
    """Bytes of an inbound message, after joining fragments and inflating."""
    hello_timeout: float = 10.0
    ping_interval: float = 25.0
    ping_after_write: float = 5.0
    pong_timeout: float = 8.0
    idle_after: float = 30.0
    statistics_interval: float = 5.0
    drain_timeout: float = 10.0
    token_grace: float = 25.0
    write_buffer: int = 64 * 1024
    """Bytes unsent to one connection above which it is read from the log at its own pace."""
    write_limit: int = 1024 * 1024
    """Bytes unsent to one connection above which it is closed."""
    open_rooms: bool | None = None
    """Whether a join creates a room; by default as `anonymous`."""
    room_capacity: int = 100
    presence_limit: int = 100
    """Members above which a room announces no joins and leaves."""
    max_subscriptions: int = 1000
    """Rooms and topics of one session."""
    retention_messages: int = 1000
    retention_bytes: int = 1024 * 1024
    retention_age: float = 3600.0
    memory_limit: int = 256 * 1024 * 1024
    """Bytes that all logs in memory may hold; the log that was silent longest goes first."""
    channels: tuple[ChannelSettings, ...] = ()
    """Rules for logs by the pattern of their name; the first that matches counts."""
    backend: str = ""
    """One server for everything that nodes share, as `redis://host:6379/0`; what is set below is kept elsewhere."""
    log: str = ""
    """Where logs are kept: `memory`, a `redis:` server, or with sessions and rooms in `sqlite:///path/to/file`."""
    sessions: str = ""
    """Where sessions are kept; by default with the backend, else with the log."""
    registry: str = ""
    """Where nodes find each other; by default at the backend."""
    cluster: str = "hubbub"
    """What the names of everything on a shared server begin with: clusters with different names know nothing of
    each other."""
    fsync: Literal["full", "normal", "off"] = "full"
    """What a log on disk waits for: `full` loses nothing when the power fails."""
    session_ttl: float = 3600.0
    """How long a session outlives its connection."""
    presence_grace: float = 15.0
    """How long a user whose connection ended is still shown as a member."""
    max_resting_sessions: int = 100_000
    """Sessions without a connection; the one that was away longest goes first."""
    ack_timeout: float = 5.0
    """Without progress for so long, deliveries that are to be acknowledged are sent again."""
    restore_attempts: int = 600
    """Unknown sessions that one address may ask for in a minute."""
    max_connections: int | None = None
    """Connections of this node; by default what the system's descriptor limit allows."""
    max_waiting: int = 100
    """Connections that may wait for a place, once all are taken."""
    waiting_timeout: float = 5.0
    """For a place; then 1013."""
    max_connections_per_address: int | None = None
    """Connections of one IP address (of IPv6: one network of 64 bits), those that wait included."""
    max_connections_per_user: int | None = None
    """Connections of one user: over all nodes that share presence, else on this one."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies, whose X-Forwarded-For says who the client is."""
    message_rate: float = 10_000.0
    """Messages a second from one connection, over a longer time."""
    byte_rate: float = 16.0 * 1024 * 1024
    """Bytes a second from one connection, over a longer time."""
    rate_burst: float = 5.0
    """Seconds' worth of both that a connection may send at once."""
    documents: str = ""
    """Where documents are kept: by default with the log, where that can keep them; a `postgresql:` server; `off`."""
    snapshot_operations: int = 1000
    """Operations on a document after which a snapshot of it is taken."""
    snapshot_seconds: float = 60.0
    """How long after an operation a snapshot is taken at the latest."""
    document_retention: float = 30 * 24 * 3600.0
    """How long operations are kept at least, for authors who are away and for the history."""
    document_limit: int = 10_000_000
    """Length of a document in UTF-16 units."""
    document_lease: float = 5.0
    """Among several nodes: how long after its last sign of life a document's owner is followed by another."""
    rooms: tuple[RoomSettings, ...] = ()
    jwt: JwtSettings | None = None

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigurationError(name, "must be above 0")
        if not 0 <= self.port <= 65535:
            raise ConfigurationError("port", "must be 0 to 65535; 0 chooses a free one")
        if self.write_limit < self.write_buffer:
            raise ConfigurationError("write_limit", "must be at least write_buffer")
        if self.advertise and not self.advertise.startswith(("ws://", "wss://")):
            raise ConfigurationError("advertise", f"{self.advertise!r}: write it as ws://node-1.example.org:8000/ws")
        for origin in self.origins:
            if origin != "*" and not origin.startswith(("http://", "https://")):
                raise ConfigurationError("origins", f"{origin!r}: write it as https://example.org")
        if self.jwt is not None and bool(self.jwt.secret) == bool(self.jwt.public_key):
            raise ConfigurationError("jwt", "set either secret (HS256) or public_key (RS256)")
        if self.jwt is not None and self.jwt.secret and len(self.jwt.secret.encode()) < 32:
            raise ConfigurationError("jwt.secret", "must have at least 32 bytes (RFC 7518 section 3.2)")
        for name in STORES:
            check_store(name, getattr(self, name))
        if not _CLUSTER.fullmatch(self.cluster):
            raise ConfigurationError("cluster", f"{self.cluster!r}: 1 to 64 of A-Z a-z 0-9 . _ -")
        self._check_limits()
        ids = [room.id for room in self.rooms]
        if len(ids) != len(set(ids)):
            raise ConfigurationError("rooms", "an id stands twice")

    def _check_limits(self) -> None:
        for name in ("max_connections", "max_connections_per_address", "max_connections_per_user"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(name, "must be at least 1; leave it out for no limit of its own")
        if self.own_port is not None and not 0 <= self.own_port <= 65536 - self.workers:
            raise ConfigurationError("own_port", "must be 0 to 65535, also for the last worker; 0 chooses free ones")
        if self.max_waiting < 0:
            raise ConfigurationError("max_waiting", "must be at least 0: then nobody waits")
        for proxy in self.trusted_proxies:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                raise ConfigurationError(
                    "trusted_proxies", f"{proxy!r}: write an address or a network, as 10.0.0.0/8"
                ) from None

    @property
    def rooms_are_open(self) -> bool:
        return self.anonymous if self.open_rooms is None else self.open_rooms

    @property
    def log_url(self) -> str:
        """Where logs are kept, whether said by itself or by `backend`."""
        return self.log or self.backend or "memory"

    @property
    def node_name(self) -> str:
        return self.node or socket.gethostname()


_POSITIVE = (
    "workers",
    "max_message",
    "hello_timeout",
    "ping_interval",
    "ping_after_write",
    "pong_timeout",
    "idle_after",
    "statistics_interval",
    "drain_timeout",
    "migration_timeout",
    "drain_over",
    "write_buffer",
    "room_capacity",
    "max_subscriptions",
    "retention_messages",
    "retention_bytes",
    "retention_age",
    "memory_limit",
    "session_ttl",
    "presence_grace",
    "max_resting_sessions",
    "ack_timeout",
    "restore_attempts",
    "waiting_timeout",
    "message_rate",
    "byte_rate",
    "rate_burst",
    "snapshot_operations",
    "snapshot_seconds",
    "document_retention",
    "document_limit",
    "document_lease",
)

_CLUSTER = re.compile(r"[A-Za-z0-9._-]{1,64}")
