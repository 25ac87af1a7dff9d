"""What stands in a document's log: one operation a record, as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Record(Struct, rename="camel", gc=False):
    """An operation as it applies to the revision before it, whose it is, and when it came (ms since 1970)."""

    operation: list[Any]
    client_id: str
    seq: int
    user: str
    timestamp: int


encode_record = msgspec.json.Encoder().encode
decode_record = msgspec.json.Decoder(Record).decode
