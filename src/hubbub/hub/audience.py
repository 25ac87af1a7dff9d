"""Whom a record of the log `all` is for. It stands in the record, before the message."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hubbub.hub.session import Session


class Audience(Struct, frozen=True, omit_defaults=True):
    """Members of any of these groups, or just these sessions (by key)."""

    groups: tuple[str, ...] = ()
    sessions: frozenset[str] = frozenset()

    def includes(self, session: Session) -> bool:
        return session.key in self.sessions or not session.groups.isdisjoint(self.groups)


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode: Any = msgspec.json.Decoder(Audience).decode
_MARK = ord("@")


def seal(audience: Audience | None, body: bytes) -> bytes:
    """The record of a message for an audience, None for everyone who reads the log."""
    return body if audience is None else b"@" + _encode(audience) + b"\n" + body


def unseal(record: bytes) -> tuple[Audience | None, bytes]:
    """What `seal` was given."""
    if not record or record[0] != _MARK:
        return None, record
    head, _, body = record.partition(b"\n")
    return _decode(head[1:]), body
