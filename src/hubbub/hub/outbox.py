"""What connections are about to be sent: collected over a loop turn, then one write for each connection."""

from __future__ import annotations

from collections.abc import Callable

from hubbub.errors import ProtocolError
from hubbub.hub.connection import Connection, State
from hubbub.protocol.messages import ErrorMessage, Message
from hubbub.protocol.payloads import ErrorDetails
from hubbub.protocol.wire import Wire


class Outbox:
    """Bounded by the turn: whoever does not drain is paused by its transport and leaves the live readers."""

    def __init__(self, wire: Wire, wake: Callable[[], None], limit: int) -> None:
        self._wire = wire
        self._wake = wake
        self._limit = limit
        self._dirty: list[Connection] = []

    def send(self, connection: Connection, message: Message) -> None:
        """Sends a message to this connection alone."""
        self.push(connection, self._wire.frame(connection.profile, message))

    def send_error(self, connection: Connection, error: ProtocolError) -> None:
        """Answers a request with an error; it costs the connection nothing."""
        details = ErrorDetails(number=error.number)
        if error.field is not None:
            details.field = error.field[:200]
        if error.retry_after_ms is not None:
            details.retry_after_ms = error.retry_after_ms
        message = ErrorMessage(code=error.code, reason=error.reason[:500], payload=details)
        if error.message_id is not None:
            message.message_id = error.message_id
        self.send(connection, message)

    def push(self, connection: Connection, frames: bytes, count: int = 1) -> None:
        """Adds ready frames, `count` messages."""
        out = connection.out
        if not out:
            self._dirty.append(connection)
            self._wake()
        out.append(frames)
        connection.messages_out += count

    def push_all(self, connections: set[Connection] | list[Connection], frames: bytes, count: int) -> None:
        """The same frames to many: the hot loop of a publish."""
        dirty = self._dirty
        for connection in connections:
            out = connection.out
            if not out:
                dirty.append(connection)
            out.append(frames)
            connection.messages_out += count

    def write(self) -> None:
        """One write for each connection that has something to send."""
        dirty = self._dirty
        self._dirty = []
        for connection in dirty:
            out = connection.out
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            if connection.state is State.CLOSED:
                continue
            connection.bytes_out += len(data)
            connection.transport.write(data)
            if connection.paused and connection.transport.buffered() > self._limit:
                connection.state = State.CLOSING
                connection.transport.close(4410, "too much unread")
