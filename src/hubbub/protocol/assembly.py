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


class Violation(Exception):
    """The peer broke the protocol: close with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Assembler:
    """Joins one peer's data frames to messages of at most `limit` bytes, inflated."""

    __slots__ = ("_compressed", "_deflate", "_is_text", "_limit", "_parts", "_size")

    def __init__(self, limit: int, deflate: bool) -> None:
        self._limit = limit
        self._deflate = deflate
        self._parts: list[bytes] | None = None
        self._size = 0
        self._is_text = False
        self._compressed = False

    def add(self, frame: Frame) -> str | bytes | None:
        """The message that this data frame ends, text as `str`; None while more is to come.

        Raises `Violation`.
        """
        check_reserved_bits(frame, self._deflate)
        if frame.msg_type == CONTINUATION:
            return self._continue(frame)
        if self._parts is not None:
            raise Violation(1002, "a new message inside a fragmented one")
        is_text = frame.msg_type == TEXT
        if frame.fin:
            if frame.payload_size > self._limit:
                raise Violation(1009, f"over {self._limit} bytes")
            if is_text and not frame.rsv1:
                try:
                    return frame.get_payload_as_utf8_text()
                except UnicodeDecodeError:
                    raise Violation(1007, "text is not UTF-8") from None
            return self._finish(frame.get_payload_as_bytes(), is_text, frame.rsv1)
        self._is_text = is_text
        self._compressed = frame.rsv1
        self._parts = []
        self._size = 0
        return self._continue(frame)

    def _continue(self, frame: Frame) -> str | bytes | None:
        if self._parts is None:
            raise Violation(1002, "a continuation of nothing")
        if frame.rsv1 and frame.msg_type == CONTINUATION:
            raise Violation(1002, "a reserved bit in a continuation")
        self._size += frame.payload_size
        # Empty fragments cost memory, too: each counts as a byte.
        if self._size + len(self._parts) > self._limit + 64:
            raise Violation(1009, f"over {self._limit} bytes")
        self._parts.append(frame.get_payload_as_bytes())
        if not frame.fin:
            return None
        payload = b"".join(self._parts)
        self._parts = None
        if len(payload) > self._limit:
            raise Violation(1009, f"over {self._limit} bytes")
        return self._finish(payload, self._is_text, self._compressed)

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
    """The code that answers a close frame: the peer's own, or 1002 for one that nobody may send."""
    payload = frame.get_payload_as_bytes()
    if not payload:
        return 1000
    code = int.from_bytes(payload[:2], "big")
    return code if len(payload) >= 2 and is_valid_close_code(code) else 1002
