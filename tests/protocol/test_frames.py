"""Server frames and close codes (RFC 6455)."""

from __future__ import annotations

import pytest

from hubbub.protocol.frames import BINARY, CLOSE, TEXT, close_reason, is_valid_close_code, server_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_three_forms_of_a_length(size: int, head: bytes) -> None:
    assert server_frame(TEXT, bytes(size)) == head + bytes(size)


def test_opcodes_and_compression() -> None:
    assert server_frame(BINARY, b"x") == b"\x82\x01x"
    assert server_frame(CLOSE, b"") == b"\x88\x00"
    assert server_frame(TEXT, b"x", compressed=True) == b"\xc1\x01x"


def test_close_reasons_are_cut_between_characters() -> None:
    assert close_reason("") == b""
    assert close_reason("who?") == b"who?"
    assert close_reason("x" * 200) == b"x" * 123
    assert close_reason("ä" * 100) == "ä".encode() * 61
    close_reason("\ud800")


def test_close_codes_that_a_peer_may_send() -> None:
    valid = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)}
    assert {code for code in range(70000) if is_valid_close_code(code)} == valid
