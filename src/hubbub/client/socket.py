"""The client's WebSocket: whole messages in and out, over picows."""

from __future__ import annotations

import time
from collections.abc import Callable

from picows import WSError, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from hubbub.client.refusals import refusal_of
from hubbub.errors import ConnectionClosed
from hubbub.protocol.assembly import Assembler, Violation, close_answer
from hubbub.protocol.deflate import MIN_SIZE, compress

_OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_MAX_MESSAGE = 32 * 1024 * 1024


class Socket(WSListener):
    """One connection. `on_message` gets each message, `on_closed` the end, once."""

    def __init__(
        self,
        on_message: Callable[[str | bytes], None],
        on_closed: Callable[[ConnectionClosed], None],
        *,
        deflate: bool,
    ) -> None:
        self._on_message = on_message
        self._on_closed = on_closed
        self._deflate = deflate
        self._assembler = Assembler(_MAX_MESSAGE, deflate)
        self._transport: WSTransport
        self._is_connected = False
        self._closed: ConnectionClosed | None = None

    def send(self, data: bytes, *, is_text: bool) -> None:
        """Sends one message; does nothing once the connection is closing."""
        if self._closed is not None:
            return
        kind = WSMsgType.TEXT if is_text else WSMsgType.BINARY
        if self._deflate and len(data) >= MIN_SIZE:
            self._transport.send(kind, compress(data), rsv1=True)
        else:
            self._transport.send(kind, data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake."""
        if self._closed is None:
            self._closed = ConnectionClosed(code, reason)
            self._transport.send(WSMsgType.CLOSE, code.to_bytes(2, "big") + reason.encode()[:120])

    def abort(self) -> None:
        """Ends it without a goodbye."""
        if self._is_connected:
            self._transport.disconnect(graceful=False)

    async def wait_closed(self) -> None:
        await self._transport.wait_disconnected()

    def pause_reading(self) -> None:
        self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._is_connected = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self._peer_closes(frame)
            return
        if frame.msg_type == WSMsgType.PONG or self._closed is not None:
            return
        try:
            message = self._assembler.add(frame)
        except Violation as violation:
            self.close(violation.code, violation.reason)
            return
        if message is not None:
            self._on_message(message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._on_closed(self._closed or ConnectionClosed(1006, "the network ended it"))

    def _peer_closes(self, frame: WSFrame) -> None:
        if self._closed is None:
            payload = frame.get_payload_as_bytes()
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self._closed = ConnectionClosed(code, payload[2:].decode(errors="replace"))
            self._transport.send(WSMsgType.CLOSE, close_answer(frame).to_bytes(2, "big"))
        self._transport.disconnect()


async def open_socket(
    url: str,
    *,
    subprotocol: str,
    token: str | None,
    compression: bool,
    on_message: Callable[[str | bytes], None],
    on_closed: Callable[[ConnectionClosed], None],
) -> Socket:
    """Connects and upgrades.

    Raises `OSError`, `ConnectionClosed` when there is no WebSocket to be had, and `TryLater` when there will be.
    """
    headers = {"Sec-WebSocket-Protocol": subprotocol}
    if compression:
        headers["Sec-WebSocket-Extensions"] = _OFFER
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"

    made: list[Socket] = []

    def make(request: object, response: object) -> Socket:
        extensions = response.headers.get("Sec-WebSocket-Extensions", "")  # type: ignore[attr-defined]
        deflate = "permessage-deflate" in extensions
        made.append(Socket(on_message, on_closed, deflate=deflate))
        return made[0]

    try:
        await ws_connect(
            make,
            url,
            extra_headers=headers,
            max_frame_size=_MAX_MESSAGE,
            websocket_handshake_timeout=10,
            logger_name="client",
        )
    except WSError as error:
        answer = error.response if isinstance(error, WSHandshakeError) else None
        refusal = None if answer is None else refusal_of(answer.status, answer.headers, url, time.time())
        if refusal is not None:
            raise refusal from error
        raise ConnectionClosed(1006, f"no WebSocket at {url}: {error}") from error
    except BaseException:
        # Given up while it was under way.
        for socket in made:
            socket.abort()
        raise
    # Not what picows returns: it has forgotten a connection that has ended already, and raises nothing.
    if not made:
        raise ConnectionClosed(1006, "the connection ended in its handshake")
    return made[0]
