"""WebSocket frames, ready to be written (RFC 6455, section 5.2). A server's are unmasked: equal for all."""

from __future__ import annotations

import struct
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_short = struct.Struct(">BB").pack
_medium = struct.Struct(">BBH").pack

_FIN: Final = 0x80
_RSV1: Final = 0x40


def server_frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """One whole, unmasked frame with this payload; `compressed` sets the bit of permessage-deflate."""
    first = _FIN | opcode | (_RSV1 if compressed else 0)
    size = len(payload)
    if size < 126:
        return _short(first, size) + payload
    if size < 65536:
        return _medium(first, 126, size) + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def close_reason(reason: str) -> bytes:
    """The reason as a close frame holds it beside its code: at most 123 bytes of UTF-8, whole characters."""
    return reason.encode("utf-8", "replace")[:123].decode(errors="ignore").encode()


def is_valid_close_code(code: int) -> bool:
    """Whether a peer may send this code (RFC 6455 section 7.4 and the IANA registry)."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in {1004, 1005, 1006})
