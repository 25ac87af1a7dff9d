"""What a handler gets besides the message: who sent it, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubbub.hub.connection import Connection
from hubbub.hub.users import User
from hubbub.protocol.messages import SystemMessage
from hubbub.protocol.payloads import Position, System
from hubbub.protocol.versions import ProtocolVersion

if TYPE_CHECKING:
    from hubbub.app.application import Hubbub


class Context:
    """One message's circumstances."""

    __slots__ = ("_connection", "app", "consumed", "user", "version")

    def __init__(self, app: Hubbub, connection: Connection, user: User, version: ProtocolVersion) -> None:
        self.app = app
        self._connection = connection
        self.user = user
        self.version = version
        self.consumed = False

    @property
    def connection_id(self) -> str:
        return self._connection.id

    @property
    def client(self) -> dict[str, Any]:
        """What the client says of itself (`hello.profile`): shown to others at will, never trusted."""
        session = self._connection.session
        return {} if session is None else session.profile

    def consume(self) -> None:
        """The handler took the message: it is not published, and its sender gets an ack all the same."""
        self.consumed = True

    async def publish(self, channel: str, payload: Any, **more: Any) -> Position:
        """As `Hubbub.publish`, in the name of this user."""
        return await self.app.publish(channel, payload, sender=self.user.name, **more)

    def tell(self, content: str, *, level: str = "info") -> None:
        """A system message to this connection alone. It is not stored."""
        if self._connection.session is not None:
            self.app.hub.outbox.send(self._connection, SystemMessage(payload=System(content, level)))
