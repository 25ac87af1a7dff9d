"""permessage-deflate (RFC 7692) without context takeover, so that a compressed frame is made once for all."""

from __future__ import annotations

import re
import zlib
from typing import Final

_TAIL: Final = b"\x00\x00\xff\xff"
_WINDOW_BITS: Final = re.compile(r"(?:[89]|1[0-5])\Z").match

MIN_SIZE: Final = 256
"""Bytes; smaller messages go uncompressed."""

RESPONSE: Final = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class InflatedTooLarge(Exception):
    """The message would be larger than the limit; inflating stopped there."""


def accept_offer(header: str) -> str | None:
    """What to answer to the offers in a `Sec-WebSocket-Extensions` header; `None` when none can be accepted.

    The first one that can be is. Declined: an offer that asks for a smaller server window (frames are shared,
    in the full window), and malformed ones (RFC 7692, section 7.1).
    """
    for offer in header.split(","):
        parameters = _parameters(offer)
        if parameters is None or not all(_is_acceptable(*each) for each in parameters.items()):
            continue
        # A server that accepts a window says so, also when it is the full one (section 7.1.2.1).
        wanted = "; server_max_window_bits=15" if "server_max_window_bits" in parameters else ""
        return RESPONSE + wanted
    return None


def _parameters(offer: str) -> dict[str, str | None] | None:
    """The parameters of an offer of permessage-deflate, none of them twice; `None` for anything else."""
    name, *parts = (part.strip() for part in offer.split(";"))
    if name.lower() != "permessage-deflate":
        return None
    found: dict[str, str | None] = {}
    for part in parts:
        key, equals, value = (text.strip() for text in part.partition("="))
        if key in found:
            return None
        found[key] = _unquoted(value) if equals else None
    return found


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def _is_acceptable(key: str, value: str | None) -> bool:
    if key in {"server_no_context_takeover", "client_no_context_takeover"}:
        return value is None
    if key == "client_max_window_bits":
        return value is None or bool(_WINDOW_BITS(value))
    return key == "server_max_window_bits" and value == "15"


def compress(payload: bytes) -> bytes:
    """The payload of a compressed message."""
    deflater = zlib.compressobj(level=1, wbits=-15, memLevel=8)
    data = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


def inflate(payload: bytes, limit: int) -> bytes:
    """What `compress` was given, by any peer. Stops at `limit` bytes with `InflatedTooLarge`.

    Raises `zlib.error` for data that is no deflate stream.
    """
    inflater = zlib.decompressobj(wbits=-15)
    data = inflater.decompress(payload + _TAIL, limit + 1)
    if len(data) > limit:
        raise InflatedTooLarge
    return data
