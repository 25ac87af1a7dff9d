"""A record that came out of the log: another node appended it, or an earlier run of this one."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from hubbub.hub.audience import Audience, unseal
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Wire


class _Head(Struct):
    channel: str


channel_of = msgspec.json.Decoder(_Head).decode
"""The head of a record's body: what channel it is for, and nothing else of it."""


class Arrival:
    """Implements `Delivery`. The message is decoded once, when somebody needs more of it than its bytes."""

    __slots__ = ("_message", "_wire", "audience", "body", "channel", "offset")

    def __init__(self, wire: Wire, channel: Channel, audience: Audience | None, body: bytes, offset: int) -> None:
        self._wire = wire
        self._message: Message | None = None
        self.channel = channel
        self.audience = audience
        self.body = body
        self.offset = offset

    @property
    def message(self) -> Message:
        if self._message is None:
            self._message = self._wire.decode_stored(self.body)
        return self._message


def read_record(wire: Wire, record: bytes, offset: int) -> Arrival:
    """The record at an offset of its log, ready to be delivered.

    Raises `MsgspecError` or `BadMessage` for what is none.
    """
    audience, body = unseal(record)
    return Arrival(wire, parse_channel(channel_of(body).channel), audience, body, offset)
