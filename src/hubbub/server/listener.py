"""What every WebSocket of this server has in common, whoever is behind it: whole messages in, violations closed."""

from __future__ import annotations

import logging
from typing import Any

from multidict import CIMultiDict
from picows import WSFrame, WSListener, WSTransport

from hubbub.protocol.assembly import Assembler, Violation, check_reserved_bits, close_answer
from hubbub.protocol.frames import CLOSE, PING
from hubbub.server.transport import PicowsTransport

log = logging.getLogger("hubbub.server")

_NO_HEADERS: CIMultiDict[str] = CIMultiDict()
_MAX_UNREAD = 64 * 1024


class MessageListener(WSListener):
    """Turns frames into messages. A subclass says what to do with one."""

    __slots__ = ("_assembler", "deflate", "transport")

    transport: PicowsTransport

    def __init__(self, limit: int, deflate: bool) -> None:
        self._assembler = Assembler(limit, deflate)
        self.deflate = deflate

    def opened(self) -> None: ...

    def received(self, message: str | bytes, size: int) -> None: ...

    def ponged(self) -> None: ...

    def closed(self) -> None: ...

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = PicowsTransport(transport)
        # The request lives as long as the connection, and its headers are not needed any more.
        transport.request.headers = transport.response.headers = _NO_HEADERS
        self.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        # Read once, and compared with plain numbers: on picows' enumeration both are slow.
        kind: Any = frame.msg_type
        if kind == CLOSE:
            self.transport.finish(close_answer(frame))
            return
        if self.transport.is_closing or transport.is_close_frame_sent:
            return
        try:
            if kind < CLOSE:
                message = self._assembler.add(frame)
                if message is not None:
                    self.received(message, self._assembler.size)
            elif kind == PING:
                check_reserved_bits(frame, self.deflate)
                # A peer that sends pings and does not read must not fill the buffer.
                if self.transport.buffered() < _MAX_UNREAD:
                    self.transport.pong(frame.get_payload_as_bytes())
            else:
                check_reserved_bits(frame, self.deflate)
                self.ponged()
        except Violation as violation:
            self.transport.close(violation.code, violation.reason)
        except Exception:
            log.exception("a message was not handled")
            self.transport.close(1011, "the server failed")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport.release()
        self.closed()
