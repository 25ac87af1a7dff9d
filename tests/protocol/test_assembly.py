"""From frames to messages: fragments, compression, sizes, and what closes a connection with which code."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.protocol.assembly import Assembler, Violation, check_reserved_bits, close_answer, frame_limit
from hubbub.protocol.deflate import compress
from hubbub.protocol.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT

LIMIT = 1000


@dataclass
class FakeFrame:
    msg_type: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False

    @property
    def payload_size(self) -> int:
        return len(self.payload)

    def get_payload_as_bytes(self) -> bytes:
        return self.payload

    def get_payload_as_utf8_text(self) -> str:
        return self.payload.decode()


def assembled(*frames: FakeFrame, deflate: bool = True) -> list[str | bytes]:
    """The messages that these frames hold."""
    assembler = Assembler(LIMIT, deflate)
    found = [assembler.add(frame) for frame in frames]
    return [message for message in found if message is not None]


def code_of(*frames: FakeFrame, deflate: bool = True) -> int:
    """The code that these frames are closed with; it is the last one that is at fault."""
    assembler = Assembler(LIMIT, deflate)
    for frame in frames[:-1]:
        assert assembler.add(frame) is None
    with pytest.raises(Violation) as caught:
        assembler.add(frames[-1])
    return caught.value.code


def fragments(kind: int, data: bytes, size: int, *, compressed: bool = False) -> list[FakeFrame]:
    parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
    return [
        FakeFrame(CONTINUATION if at else kind, part, at == len(parts) - 1, rsv1=compressed and not at)
        for at, part in enumerate(parts)
    ]


def test_one_frame_is_one_message() -> None:
    assert assembled(FakeFrame(TEXT, "hé".encode()), FakeFrame(BINARY, b"\xff")) == ["hé", b"\xff"]
    assert assembled(FakeFrame(TEXT, compress(b"x" * 500), rsv1=True)) == ["x" * 500]
    assert assembled(FakeFrame(BINARY, compress(b"x" * 500), rsv1=True)) == [b"x" * 500]


@given(st.text(max_size=300), st.integers(1, 50), st.booleans())
def test_fragments_are_joined(text: str, size: int, compressed: bool) -> None:
    data = compress(text.encode()) if compressed else text.encode()
    frames = fragments(TEXT, data, size, compressed=compressed)
    assert assembled(*frames, *frames) == [text, text]


@pytest.mark.parametrize("size", [1, 7, LIMIT])
def test_a_message_of_the_limit_in_fragments_of_any_size(size: int) -> None:
    data = os.urandom(LIMIT)
    empty = FakeFrame(CONTINUATION, b"", fin=False)
    first, *rest = fragments(BINARY, data + b"", size)
    if rest:
        assert assembled(first, *[empty] * 5000, *rest) == [data]
    else:
        assert assembled(first) == [data]


@pytest.mark.parametrize("size", [1, 7, 2000])
def test_a_byte_more_is_too_large(size: int) -> None:
    *most, last = fragments(BINARY, bytes(LIMIT + 1), size)
    assembler = Assembler(LIMIT, False)
    with pytest.raises(Violation) as caught:
        for frame in (*most, last):
            assembler.add(frame)
    assert caught.value.code == 1009


def test_the_limit_counts_what_is_inflated() -> None:
    noise = os.urandom(LIMIT)
    assert len(compress(noise)) > LIMIT
    assert assembled(FakeFrame(BINARY, compress(noise), rsv1=True)) == [noise]
    assert code_of(FakeFrame(BINARY, compress(bytes(LIMIT + 1)), rsv1=True)) == 1009
    assert code_of(FakeFrame(BINARY, bytes(frame_limit(LIMIT) + 1), rsv1=True)) == 1009


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([FakeFrame(CONTINUATION, b"x")], 1002),
        ([FakeFrame(TEXT, b"x", fin=False), FakeFrame(TEXT, b"x")], 1002),
        ([FakeFrame(TEXT, b"x", fin=False), FakeFrame(BINARY, b"x", fin=False)], 1002),
        ([FakeFrame(TEXT, b"x", fin=False), FakeFrame(CONTINUATION, b"x", rsv1=True)], 1002),
        ([FakeFrame(TEXT, b"x", rsv2=True)], 1002),
        ([FakeFrame(TEXT, b"x", rsv3=True)], 1002),
        ([FakeFrame(TEXT, b"\xff")], 1007),
        ([FakeFrame(TEXT, b"\xed\xa0\x80")], 1007),
        ([FakeFrame(TEXT, b"\xc3", fin=False), FakeFrame(CONTINUATION, b"\x28")], 1007),
        ([FakeFrame(TEXT, compress(b"\xff"), rsv1=True)], 1007),
        ([FakeFrame(TEXT, b"\xff\xff\xff", rsv1=True)], 1007),
    ],
)
def test_violations(frames: list[FakeFrame], code: int) -> None:
    assert code_of(*frames) == code


def test_a_character_may_be_split_between_fragments() -> None:
    data = "ä".encode()
    frames = FakeFrame(TEXT, data[:1], fin=False), FakeFrame(CONTINUATION, data[1:])
    assert assembled(*frames) == ["ä"]


def test_compression_that_nobody_negotiated() -> None:
    assert code_of(FakeFrame(TEXT, compress(b"x"), rsv1=True), deflate=False) == 1002


@pytest.mark.parametrize("kind", [PING, CLOSE])
def test_control_frames_are_never_compressed(kind: int) -> None:
    check_reserved_bits(FakeFrame(kind, b""), deflate=True)
    with pytest.raises(Violation):
        check_reserved_bits(FakeFrame(kind, b"", rsv1=True), deflate=True)


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", 1000),
        (b"\x03\xe8", 1000),
        (b"\x03\xe9bye", 1001),
        (b"\x11\x31" + "ä".encode(), 4401),
        (b"\x03", 1002),
        (b"\x03\xed", 1002),
        (b"\x00\x00", 1002),
        (b"\xff\xff", 1002),
        (b"\x03\xe8\xff", 1007),
    ],
)
def test_close_frames_are_answered(payload: bytes, answer: int) -> None:
    assert close_answer(FakeFrame(CLOSE, payload)) == answer
