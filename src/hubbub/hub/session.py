"""A session: a user's place in the hub. It has readers, rooms and subscriptions; a connection carries it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from hubbub.hub.users import User

if TYPE_CHECKING:
    from hubbub.hub.connection import Connection
    from hubbub.hub.feed import Reader
    from hubbub.hub.rooms import Room


class Session:
    """Everything that a user's client is part of. `id` is a secret: whoever knows it is the session."""

    __slots__ = (
        "connection",
        "groups",
        "id",
        "key",
        "profile",
        "readers",
        "rooms",
        "subscriptions",
        "user",
    )

    def __init__(self, user: User, connection: Connection, profile: dict[str, Any]) -> None:
        self.id = secrets.token_urlsafe(24)
        self.key = secrets.token_hex(8)
        """Names the session where the secret must not stand: in logs, audiences and idempotency keys."""
        self.user = user
        self.connection = connection
        self.profile = profile
        self.readers: dict[str, Reader] = {}
        self.rooms: dict[str, Room] = {}
        self.subscriptions: dict[str, str] | None = None
        """Subscription id to topic pattern."""
        self.groups: frozenset[str] = frozenset()
