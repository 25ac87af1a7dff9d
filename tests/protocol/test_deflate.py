"""permessage-deflate: what is offered and accepted, and what a peer cannot do to memory."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.protocol.deflate import RESPONSE, InflatedTooLarge, accept_offer, compress, inflate

FULL_WINDOW = f"{RESPONSE}; server_max_window_bits=15"


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "Permessage-Deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        'permessage-deflate;client_max_window_bits="15"',
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "x-unknown, permessage-deflate",
        "permessage-deflate; server_max_window_bits=9, permessage-deflate",
    ],
)
def test_offers_that_are_accepted(offer: str) -> None:
    assert accept_offer(offer) == RESPONSE


@pytest.mark.parametrize("bits", ["15", '"15"'])
def test_a_full_window_that_is_asked_for_is_granted_in_words(bits: str) -> None:
    # RFC 7692, section 7.1.2.1: accepting it means answering it.
    assert accept_offer(f"permessage-deflate; server_max_window_bits={bits}") == FULL_WINDOW


@pytest.mark.parametrize(
    "offer",
    [
        "",
        ",",
        "permessage-bzip2",
        "permessage-deflate; server_max_window_bits=14",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;",
        'permessage-deflate; server_max_window_bits="15',
    ],
)
def test_offers_that_are_declined(offer: str) -> None:
    assert accept_offer(offer) is None


@given(st.binary(max_size=2000))
def test_what_is_compressed_is_inflated(data: bytes) -> None:
    assert inflate(compress(data), len(data)) == data


def test_every_frame_stands_for_itself() -> None:
    data = b"the same again and again " * 50
    assert compress(data) == compress(data)
    assert len(compress(data)) < len(data) // 5


def test_inflating_stops_at_the_limit() -> None:
    data = compress(bytes(100_000))
    assert len(inflate(data, 100_000)) == 100_000
    with pytest.raises(InflatedTooLarge):
        inflate(data, 99_999)


def test_a_bomb_is_not_inflated() -> None:
    import tracemalloc

    bomb = compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(InflatedTooLarge):
        inflate(bomb, 65536)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_peer_may_end_its_stream() -> None:
    deflater = zlib.compressobj(wbits=-15)
    data = deflater.compress(b"last words") + deflater.flush(zlib.Z_FINISH)
    # RFC 7692, section 7.2.3.4: a final block and then an empty one.
    assert inflate(data + b"\x00", 100) == b"last words"


def test_noise_is_no_stream() -> None:
    with pytest.raises(zlib.error):
        inflate(b"\xff\xff\xff", 100)
