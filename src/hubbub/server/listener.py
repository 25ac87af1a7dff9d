"""What every WebSocket of this server has in common, whoever is behind it: whole messages in, violations closed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from multidict import CIMultiDict
from picows import WSFrame, WSListener, WSTransport

from hubbub.protocol.assembly import Assembler, Violation, check_reserved_bits, close_answer
from hubbub.protocol.frames import CLOSE, PING
from hubbub.server.transport import PicowsTransport

log = logging.getLogger("hubbub.server")

_NO_HEADERS: CIMultiDict[str] = CIMultiDict()
_MAX_UNREAD = 64 * 1024


class Talk(Protocol):
    """Who takes what a socket says."""

    def received(self, data: str | bytes, size: int, /) -> None: ...
    def ponged(self) -> None: ...
    def closed(self) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class MessageListener(WSListener):
    """Turns one socket's frames into messages. `begin` makes who takes them, once the socket is there.

    It is given the listener, too, so that another may take over (`become`).
    """

    __slots__ = ("_assembler", "_begin", "_deflate", "_talk", "_transport")

    _transport: PicowsTransport
    _talk: Talk

    def __init__(self, limit: int, deflate: bool, begin: Callable[[PicowsTransport, MessageListener], Talk]) -> None:
        """`limit` in bytes of a joined, inflated message; `deflate` where permessage-deflate was agreed on."""
        self._assembler = Assembler(limit, deflate)
        self._deflate = deflate
        self._begin: Callable[[PicowsTransport, MessageListener], Talk] | None = begin

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = PicowsTransport(transport)
        # The request lives as long as the connection, and its headers are not needed any more.
        transport.request.headers = transport.response.headers = _NO_HEADERS
        assert self._begin is not None
        self._talk = self._begin(self._transport, self)
        self._begin = None

    def become(self, talk: Talk) -> None:
        """From now on this one takes what the socket says."""
        self._talk = talk

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        # Read once, and compared with plain numbers: on picows' enumeration both are slow.
        kind: Any = frame.msg_type
        if kind == CLOSE:
            self._transport.finish(close_answer(frame))
            return
        if self._transport.is_closing or transport.is_close_frame_sent:
            return
        try:
            if kind < CLOSE:
                message = self._assembler.add(frame)
                if message is not None:
                    self._talk.received(message, self._assembler.size)
            elif kind == PING:
                check_reserved_bits(frame, self._deflate)
                # A peer that sends pings and does not read must not fill the buffer.
                if self._transport.buffered() < _MAX_UNREAD:
                    self._transport.pong(frame.get_payload_as_bytes())
            else:
                check_reserved_bits(frame, self._deflate)
                self._talk.ponged()
        except Violation as violation:
            self._transport.close(violation.code, violation.reason)
        except Exception:
            log.exception("a message was not handled")
            self._transport.close(1011, "the server failed")

    def pause_writing(self) -> None:
        self._talk.pause_writing()

    def resume_writing(self) -> None:
        self._talk.resume_writing()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport.release()
        self._talk.closed()
