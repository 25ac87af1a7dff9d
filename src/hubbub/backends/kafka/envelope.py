"""A record as Kafka carries it: its key is the log's name, a header says that it is Hubbub's, and whose message."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import Message

_HEADER = "hubbub"
_SEPARATOR = b"\n"

Headers = list[tuple[str, str | bytes | None]]


class Arrival(NamedTuple):
    """A record that came: its offset counts from 1. `identity` is its idempotency key, None when it has none."""

    partition: int
    offset: int
    log: str
    identity: tuple[str, str] | None
    record: bytes


def make_headers(session: str, message_id: str) -> Headers:
    """What is to be known of a record beside it. UUIDs compare without case."""
    return [(_HEADER, session.encode() + _SEPARATOR + message_id.lower().encode() if session else b"")]


def open_message(message: Message) -> Arrival | None:
    """What Kafka brought; None when it is nobody's of Hubbub."""
    headers = message.headers()
    key = message.key()
    partition = message.partition()
    offset = message.offset()
    if not headers or key is None or partition is None or offset is None:
        return None
    name, value = headers[0] if isinstance(headers, list) else next(iter(headers.items()))
    if name != _HEADER:
        return None
    identity = None
    if value:
        whole = value.encode() if isinstance(value, str) else value
        session, _, message_id = whole.partition(_SEPARATOR)
        identity = session.decode(errors="replace"), message_id.decode(errors="replace")
    return Arrival(partition, offset + 1, key.decode(errors="replace"), identity, message.value() or b"")
