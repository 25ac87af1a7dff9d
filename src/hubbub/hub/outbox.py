"""What connections are about to be sent: collected over a loop turn, then one write for each connection."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hubbub.errors import ProtocolError
from hubbub.hub.connection import Connection, State
from hubbub.protocol.messages import ErrorMessage, Message
from hubbub.protocol.payloads import ErrorDetails
from hubbub.protocol.wire import Wire

_LARGE_AUDIENCE = 32


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
        if connection.out:
            connection.out += frames
        else:
            connection.out = frames
            self._dirty.append(connection)
            self._wake()
        connection.messages_out += count

    def push_all(self, connections: Collection[Connection], frames: bytes, count: int, *, is_last: bool) -> None:
        """The same frames to many: the hot loop of a publish.

        `is_last` says that this turn has nothing more for them, as far as their feed knows: then a large audience
        is written to at once, without the detour over the outbox.
        """
        if is_last and len(connections) >= _LARGE_AUDIENCE:
            self._write_all(connections, frames, count)
            return
        dirty = self._dirty
        for connection in connections:
            if connection.out:
                connection.out += frames
            else:
                connection.out = frames
                dirty.append(connection)
            connection.messages_out += count

    def _write_all(self, connections: Collection[Connection], frames: bytes, count: int) -> None:
        size = len(frames)
        # A copy: a socket that fills up leaves the audience while it is written to.
        for connection in list(connections):
            connection.messages_out += count
            if connection.out:
                connection.out += frames
                continue
            connection.bytes_out += size
            try:
                sent = connection.transport.send(frames)
            except OSError:
                sent = 0
            if sent != size:
                connection.transport.write(frames[sent:])

    def flush(self, connection: Connection) -> None:
        """What this connection was to be sent goes out now."""
        data, connection.out = connection.out, b""
        if data:
            connection.bytes_out += len(data)
            connection.transport.write(data)

    def write(self) -> None:
        """One write for each connection that has something to send."""
        dirty = self._dirty
        self._dirty = []
        for connection in dirty:
            data = connection.out
            if not data:
                continue
            connection.out = b""
            size = len(data)
            connection.bytes_out += size
            try:
                sent = connection.transport.send(data)
            except OSError:
                sent = 0
            if sent != size:
                connection.transport.write(data[sent:])
            if connection.paused and connection.transport.buffered() > self._limit + connection.granted:
                connection.state = State.CLOSING
                connection.transport.close(4410, "too much unread")
