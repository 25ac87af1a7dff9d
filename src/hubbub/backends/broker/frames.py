"""Frames between a worker and the broker: a length of four bytes and MessagePack, many of them in one write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

MAX_FRAME = 64 * 1024 * 1024
"""Bytes. Nothing that is well comes near it: a page of a log has at most a few hundred records."""


class Request(Struct, array_like=True):
    """A worker asks: `args` is an array. Number 0 wants no answer."""

    number: int
    method: str
    args: Raw


class Answer(Struct, array_like=True, tag=0):
    number: int
    result: Raw


class Failure(Struct, array_like=True, tag=1):
    """The request cannot be answered: what it was about is away."""

    number: int
    reason: str


class Arrived(Struct, array_like=True, tag=2):
    """New records of a log that the worker follows."""

    log: str
    epoch: str
    entries: Sequence[tuple[int, bytes]]


class Interrupted(Struct, array_like=True, tag=3):
    """The worker did not read fast enough, and some records of this log were left out."""

    log: str


class Posted(Struct, array_like=True, tag=4):
    """A message of the mailbox."""

    topic: str
    message: bytes


Told = Answer | Failure | Arrived | Interrupted | Posted

encode = msgspec.msgpack.Encoder().encode
decode_request: Callable[[bytes], Request] = msgspec.msgpack.Decoder(Request).decode
decode_told: Callable[[bytes], Told] = msgspec.msgpack.Decoder(Told).decode


class Outgoing:
    """What is to be written when the loop's turn ends."""

    __slots__ = ("_parts", "_wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        """`wake` is called when there is something to be taken, once until it is."""
        self._parts: list[bytes] = []
        self._wake = wake

    def add(self, body: bytes) -> None:
        if not self._parts:
            self._wake()
        self._parts.append(len(body).to_bytes(4, "big"))
        self._parts.append(body)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Incoming:
    """Finds the frames in what a socket reads."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now. Raises `ValueError` for one that is too large."""
        buffer = self._buffer
        buffer += data
        place = 0
        while len(buffer) - place >= 4:
            size = int.from_bytes(buffer[place : place + 4], "big")
            if size > MAX_FRAME:
                raise ValueError(f"a frame of {size} bytes")
            end = place + 4 + size
            if end > len(buffer):
                break
            yield bytes(buffer[place + 4 : end])
            place = end
        del buffer[:place]
