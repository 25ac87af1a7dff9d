"""The picows transport as the hub's port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial

from picows import WSTransport

from hubbub.protocol.frames import PING, PONG, close_reason, server_frame

CLOSE_TIMEOUT = 3.0
"""Seconds that a peer has to answer a close frame."""


def _ignore(frames: bytes) -> int:
    """Nothing goes out after a close frame."""
    return len(frames)


class PicowsTransport:
    """Implements `hubbub.ports.Transport` over one upgraded picows connection."""

    __slots__ = ("_is_closing", "_send_now", "_timeout", "_ws", "send")

    def __init__(self, ws: WSTransport) -> None:
        self._ws = ws
        # Straight to the socket, without a Python call between: this is the hot path. The descriptor is this
        # connection's own until `release`, which comes before it is closed.
        self._send_now: Callable[[bytes], int] = partial(
            os.write, ws.underlying_transport.get_extra_info("socket").fileno()
        )
        if ws.underlying_transport.get_extra_info("sslcontext") is not None:
            self._send_now = self._send_later
        self.send: Callable[[bytes], int] = self._send_now
        self._is_closing = False
        self._timeout: asyncio.TimerHandle | None = None

    @property
    def is_closing(self) -> bool:
        return self._is_closing

    def write(self, frames: bytes, /) -> None:
        if not self._is_closing:
            self._ws.underlying_transport.write(frames)
            if self.buffered():
                self.send = self._send_later

    def _send_later(self, frames: bytes) -> int:
        """Behind what the socket has not taken yet."""
        self._ws.underlying_transport.write(frames)
        # Looked at afterwards: of these frames, too, the socket may have taken a part only.
        if not self.buffered():
            self.send = self._send_now
        return len(frames)

    def ping(self, payload: bytes) -> None:
        self.write(server_frame(PING, payload))

    def pong(self, payload: bytes) -> None:
        self.write(server_frame(PONG, payload))

    def close(self, code: int, reason: str = "") -> None:
        if self._is_closing:
            return
        self._send_close(code, reason)

    def finish(self, code: int) -> None:
        """The closing handshake ends here: answers the peer's close frame, if it began, and hangs up."""
        if not self._is_closing:
            self._send_close(code, "")
        self._ws.disconnect()

    def abort(self) -> None:
        self._silence()
        self._ws.disconnect(graceful=False)

    def _send_close(self, code: int, reason: str) -> None:
        # Through picows, so that it knows: its parser would answer a second close frame with another one.
        self._ws.send_close(code, close_reason(reason))  # type: ignore[arg-type]
        self._silence()
        self._timeout = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.abort)

    def release(self) -> None:
        """The socket is gone."""
        self._silence()
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _silence(self) -> None:
        self._is_closing = True
        self.send = self._send_now = _ignore

    def buffered(self) -> int:
        return self._ws.underlying_transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._ws.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._is_closing:
            self._ws.underlying_transport.resume_reading()
