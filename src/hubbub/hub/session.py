"""A session: a user's place in the hub. It outlives its connection, and comes back with the next one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hubbub.hub.connection import Connection, State
from hubbub.hub.users import User
from hubbub.protocol.payloads import Position
from hubbub.protocol.versions import HIGHEST

if TYPE_CHECKING:
    from hubbub.hub.feed import Reader
    from hubbub.hub.kinds import Participant
    from hubbub.hub.rooms import Room


class Rest:
    """Where a session stopped reading a log when its connection ended, and how it is to go on."""

    __slots__ = ("ack", "patterns", "position")

    def __init__(self, position: Position | None, patterns: dict[str, int] | None, ack: bool) -> None:
        self.position = position
        self.patterns = patterns
        self.ack = ack


class Session:
    """Everything that a user's client is part of.

    `readers` has the logs it reads while it is connected, `rests` those where it stopped. `connection` is None
    while it is away.
    """

    __slots__ = (
        "attempt",
        "connection",
        "created",
        "digest",
        "fence",
        "groups",
        "inbox",
        "key",
        "kicks",
        "lost",
        "origin",
        "peer",
        "profile",
        "readers",
        "rests",
        "rooms",
        "subscriptions",
        "user",
        "version",
    )

    def __init__(self, digest: bytes, key: str, user: User, profile: dict[str, Any], created: float) -> None:
        self.digest = digest
        """Of the id, which is a secret: whoever knows it is the session."""
        self.key = key
        """Names the session where the secret must not stand: in logs, audiences and idempotency keys."""
        self.user = user
        self.profile = profile
        self.created = created
        self.version = HIGHEST
        """The version that was agreed on last."""
        self.fence = 0
        self.origin: str | None = None
        """The node that had it before, as long as its return is not complete here."""
        self.attempt = 0
        """The number that its client gave the attempt which has it; later ones have greater numbers."""
        self.connection: Connection | None = None
        self.readers: dict[str, Reader] = {}
        self.rests: dict[str, Rest] | None = None
        self.inbox: Position | None = None
        """Where its user's inbox stood when the session began; it reads it from the first message on."""
        self.rooms: dict[str, Room] = {}
        self.kicks: dict[str, str] | None = None
        """By room, the mark of the last time that its user had been kicked from there when it joined."""
        self.subscriptions: dict[str, str] | None = None
        """Subscription id to topic pattern."""
        self.groups: frozenset[str] = frozenset()
        self.peer: Participant | None = None
        """The session as those see it who serve kinds of channel, once it had to do with them."""
        self.lost: list[str] | None = None
        """Channels that were taken from it while it was away: it is told when it comes back."""

    @property
    def is_present(self) -> bool:
        """Whether a connection carries it, and has got its welcome or its restoration."""
        return self.connection is not None and self.connection.state is State.OPEN

    @property
    def is_beginning(self) -> bool:
        """Whether a connection carries it that has yet to get its welcome."""
        return self.connection is not None and self.connection.state is State.OPENING and self.rests is None

    @property
    def is_reading(self) -> bool:
        """Whether it has its place in the logs, although its welcome may still be on its way."""
        return bool(self.readers)

    @property
    def inbox_log(self) -> str:
        return f"user:{self.user.name}"

    def logs(self) -> set[str]:
        """Every log that the session reads, or is to read when it comes back."""
        named = {"all", self.inbox_log, *self.readers, *(self.rests or ())}
        return named | {room.log for room in self.rooms.values()}


def digest_of(id: str) -> bytes:
    """What is kept of a session id. Looking it up takes no time that depends on the secret."""
    return hashlib.sha256(id.encode("utf-8", "replace")).digest()
