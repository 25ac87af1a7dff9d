"""From frames to whole messages: what a frame parser leaves to its user (RFC 6455 sections 5 and 7, RFC 7692).

Joins fragments, inflates, checks reserved bits, UTF-8, sizes and close codes.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from hubbub.protocol.deflate import InflatedTooLarge, inflate
from hubbub.protocol.frames import CLOSE, CONTINUATION, PING, PONG, TEXT, is_valid_close_code


class Frame(Protocol):
    """One parsed frame; picows' `WSFrame` is one."""

    @property
    def msg_type(self) -> object: ...
    @property
    def fin(self) -> bool: ...
    @property
    def rsv1(self) -> bool: ...
    @property
    def rsv2(self) -> bool: ...
    @property
    def rsv3(self) -> bool: ...
    @property
    def payload_size(self) -> int: ...
    def get_payload_as_bytes(self) -> bytes: ...
    def get_payload_as_utf8_text(self) -> str: ...


def frame_limit(limit: int) -> int:
    """Bytes that the frames of a message of at most `limit` bytes may have: compressing can make it larger.

    That it is not too large is seen when it is inflated.
    """
    return limit + limit // 8 + 64


class Violation(Exception):
    """The peer broke the protocol: close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Assembler:
    """Joins one peer's data frames to messages of at most `limit` bytes, inflated."""

    __slots__ = ("_compressed", "_deflate", "_is_text", "_joined", "_limit", "size")

    def __init__(self, limit: int, deflate: bool) -> None:
        self._limit = limit
        self._deflate = deflate
        # One buffer, not a list of parts: fragments of a byte or none would cost many times what they hold.
        self._joined: bytearray | None = None
        self._is_text = False
        self._compressed = False
        self.size = 0
        """Bytes that the last whole message took on the wire, without frame headers."""

    def add(self, frame: Frame) -> str | bytes | None:
        """The message that this data frame ends, text as `str`; None while more is to come.

        Raises `Violation`.
        """
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            check_reserved_bits(frame, self._deflate)
        elif frame.fin and frame.msg_type == TEXT and self._joined is None and frame.payload_size <= self._limit:
            # Nearly every message: a whole, plain text.
            self.size = frame.payload_size
            try:
                return frame.get_payload_as_utf8_text()
            except UnicodeDecodeError:
                raise Violation(1007, "text is not UTF-8") from None
        kind = frame.msg_type
        if kind == CONTINUATION:
            if frame.rsv1:
                raise Violation(1002, "a reserved bit in a continuation")
            return self._continue(frame)
        if self._joined is not None:
            raise Violation(1002, "a new message inside a fragmented one")
        is_text = kind == TEXT
        if frame.fin:
            self._check_size(frame.payload_size, frame.rsv1)
            self.size = frame.payload_size
            return self._finish(frame.get_payload_as_bytes(), is_text, frame.rsv1)
        self._is_text = is_text
        self._compressed = frame.rsv1
        self._joined = bytearray()
        return self._continue(frame)

    def _continue(self, frame: Frame) -> str | bytes | None:
        if self._joined is None:
            raise Violation(1002, "a continuation of nothing")
        self._check_size(len(self._joined) + frame.payload_size, self._compressed)
        self._joined += frame.get_payload_as_bytes()
        if not frame.fin:
            return None
        payload = bytes(self._joined)
        self.size = len(payload)
        self._joined = None
        return self._finish(payload, self._is_text, self._compressed)

    def _check_size(self, size: int, compressed: bool) -> None:
        if size > (frame_limit(self._limit) if compressed else self._limit):
            raise Violation(1009, f"over {self._limit} bytes")

    def _finish(self, payload: bytes, is_text: bool, compressed: bool) -> str | bytes:
        if compressed:
            try:
                payload = inflate(payload, self._limit)
            except InflatedTooLarge:
                raise Violation(1009, f"over {self._limit} bytes inflated") from None
            except zlib.error:
                raise Violation(1007, "no deflate stream") from None
        if not is_text:
            return payload
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise Violation(1007, "text is not UTF-8") from None


def check_reserved_bits(frame: Frame, deflate: bool) -> None:
    """Raises `Violation` for a reserved bit that nobody negotiated."""
    is_control = frame.msg_type in (PING, PONG, CLOSE)
    if frame.rsv2 or frame.rsv3 or (frame.rsv1 and (not deflate or is_control)):
        raise Violation(1002, "a reserved bit is set")


def close_answer(frame: Frame) -> int:
    """The code that answers a close frame: the peer's own, or what is wrong with it.

    1002 for a code that nobody may send, 1007 for a reason that is no UTF-8.
    """
    if frame.rsv1 or frame.rsv2 or frame.rsv3:
        return 1002
    payload = frame.get_payload_as_bytes()
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_valid_close_code(code):
        return 1002
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return 1007
    return code
