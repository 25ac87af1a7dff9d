"""What the server asks of the application about connections and messages."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hubbub.hub.connection import Connection
from hubbub.hub.permissions import Action
from hubbub.hub.users import User
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Hello


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The HTTP request that a connection began with.

    `token` is the bearer token of the header or the cookie, None without one; `address` is the client's, as a
    trusted proxy tells it.
    """

    path: str
    headers: Mapping[str, str]
    token: str | None
    address: str = ""


class Gate(Protocol):
    """Implemented by `hubbub.app`."""

    def authenticate(self, upgrade: Upgrade, hello: Hello) -> Awaitable[User] | User:
        """Who this is. Raises `Denied` (`unauthorized`, `token_expired`)."""
        ...

    def permits(self, user: User, action: Action, channel: str) -> Awaitable[bool | None] | bool | None:
        """What the application says of a permission, None for the default."""
        ...

    def intercept(self, connection: Connection, message: Message) -> Awaitable[None] | None:
        """Takes an accepted message. What it returns is awaited before the connection's next message."""
        ...

    def connected(self, connection: Connection) -> Awaitable[None] | None: ...

    def disconnected(self, connection: Connection) -> None: ...
