"""From messages to frames and back: one `Wire` a hub or client, one `Profile` a way of speaking.

What a connection speaks (codec, version, compression) is its profile; there are a dozen of them, and a
delivered message is encoded once for each profile that somebody listens with, never once for a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from hubbub.errors import BadMessage
from hubbub.protocol.catalog import Catalog, NewerField
from hubbub.protocol.channels import Channel
from hubbub.protocol.deflate import MIN_SIZE, compress
from hubbub.protocol.frames import BINARY, TEXT, server_frame
from hubbub.protocol.json_codec import JsonCodec
from hubbub.protocol.messages import AckMessage, HistoryMessage, Message, UnknownMessage
from hubbub.protocol.protobuf_codec import ProtobufCodec
from hubbub.protocol.versions import HIGHEST, SUPPORTED, ProtocolVersion, parse_version

SUBPROTOCOLS = {"hubbub.json": "json", "hubbub.protobuf": "protobuf"}


_to_json = msgspec.json.Encoder().encode
_epoch_json = lru_cache(maxsize=1024)(_to_json)


class Profile(Struct, frozen=True, eq=False):
    """How a connection speaks. Interned by `profile_of`: compare and hash by identity."""

    codec: str
    version: ProtocolVersion
    deflate: bool
    is_newest: bool
    """Whether nothing has to be hidden from it."""


_PROFILES = {
    (codec, version, deflate): Profile(codec, version, deflate, version == HIGHEST)
    for codec in ("json", "protobuf")
    for version in SUPPORTED
    for deflate in (False, True)
}


def profile_of(codec: str, version: ProtocolVersion = HIGHEST, deflate: bool = False) -> Profile:
    """The one profile of this codec (`json` or `protobuf`), negotiated version and compression."""
    return _PROFILES[codec, version, deflate]


class Wire:
    """Both codecs over one catalogue, made when they are first needed: until then types can be registered."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    @cached_property
    def json(self) -> JsonCodec:
        return JsonCodec(self.catalog)

    @cached_property
    def protobuf(self) -> ProtobufCodec:
        return ProtobufCodec(self.catalog, self.json)

    @cached_property
    def encode_record(self) -> Callable[[Message], bytes]:
        """Makes of a message what a log keeps: JSON of the highest version."""
        return self.json.encode

    def decode(self, profile: Profile, data: str | bytes) -> Message:
        """The message in one WebSocket message. Raises `BadMessage` only."""
        if profile.codec == "json":
            return self.json.decode(data)
        assert isinstance(data, bytes)
        return self.protobuf.decode(data)

    def body(self, profile: Profile, message: Message) -> bytes:
        """The message as this profile's peer reads it, without the frame."""
        shown = message if profile.is_newest else self.hide_newer(message, profile.version)
        return self.json.encode(shown) if profile.codec == "json" else self.protobuf.encode(shown)

    def frame(self, profile: Profile, message: Message) -> bytes:
        """The message as a ready server frame."""
        return _frame(profile, self.body(profile, message))

    def ack_frame(self, profile: Profile, message_id: str, channel: Channel, offset: int, epoch: str) -> bytes:
        """The acknowledgement of a publish, as a ready frame: there is one for every message."""
        if profile.codec != "json":
            ack = AckMessage(message_id=message_id, channel=channel.text, offset=offset, epoch=epoch)
            return self.frame(profile, ack)
        given = (message_id.encode(), channel.json, offset, _epoch_json(epoch))
        return _frame(profile, b'{"type":"ack","messageId":"%b","channel":%b,"offset":%d,"epoch":%b}' % given)

    def delivery_frame(self, profile: Profile, record: bytes, offset: int, message: Message | None) -> bytes:
        """The frame of a stored record: the same bytes for everyone who speaks this profile.

        `record` is the message as JSON without offset. `message` is the same one decoded, where at hand.
        """
        is_json = profile.codec == "json"
        if is_json and profile.is_newest:
            return _frame(profile, b'{"offset":%d,%b' % (offset, record[1:]))
        if message is None:
            message = self.decode_stored(record)
        if is_json and not self._hidden(message, profile.version):
            return _frame(profile, b'{"offset":%d,%b' % (offset, record[1:]))
        message.offset = offset
        body = self.body(profile, message)
        message.offset = UNSET
        return _frame(profile, body)

    def decode_record(self, record: bytes, offset: int) -> Message:
        """The message that a stored record holds."""
        message = self.decode_stored(record)
        message.offset = offset
        return message

    def decode_stored(self, record: bytes) -> Message:
        """The message in a record, also of a type that only a newer node knows, or an older one knew."""
        try:
            return self.json.decode(record)
        except BadMessage as error:
            if error.code != "unknown_type":
                raise
            return msgspec.json.decode(record, type=UnknownMessage)

    def hide_newer(self, message: Message, version: ProtocolVersion) -> Message:
        """The message as a client of `version` may see it: without the fields that came later."""
        if version == HIGHEST:
            return message
        if type(message) is HistoryMessage and message.messages is not UNSET:
            return replace(message, messages=[self.hide_newer(each, version) for each in message.messages])
        hidden = self._hidden(message, version)
        if not hidden:
            return message
        payload = msgspec.to_builtins(message.payload, str_keys=True)
        for field in hidden:
            payload.pop(field.name, None)
        return replace(message, payload=payload)

    def judge_newer(self, message: Message, version: ProtocolVersion) -> Message:
        """A message from a client of `version`: newer fields are ignored or refused, as each says.

        Raises `BadMessage` (`invalid_message`), naming the field.
        """
        if version == HIGHEST or message.payload is UNSET:
            return message
        newer = [field for field in self.catalog.newer_fields(message.type) if field.since > version]
        if not newer:
            return message
        payload = msgspec.to_builtins(message.payload, str_keys=True)
        kept = dict(payload)
        for field in newer:
            if not _is_used(field, payload):
                continue
            if not field.ignored:
                reason = f"came with version {field.since}"
                raise BadMessage("invalid_message", reason, field=f"payload.{field.name}")
            del kept[field.name]
        if len(kept) == len(payload):
            return message
        return self.json.convert({**msgspec.to_builtins(message, str_keys=True), "payload": kept})

    def _hidden(self, message: Message, version: ProtocolVersion) -> list[NewerField]:
        """The fields that the payload may have and a client of `version` may not see."""
        if version == HIGHEST or message.payload is UNSET:
            return []
        return [
            field for field in self.catalog.newer_fields(message.type) if field.since > version and field.value is UNSET
        ]


def _is_used(field: NewerField, payload: dict[str, Any]) -> bool:
    return field.name in payload and (field.value is UNSET or payload[field.name] == field.value)


def message_version(message: Message, negotiated: ProtocolVersion) -> ProtocolVersion:
    """The version by which a message is to be judged: its own, else the negotiated one."""
    return negotiated if message.version is UNSET else parse_version(message.version)


def _frame(profile: Profile, body: bytes) -> bytes:
    opcode = TEXT if profile.codec == "json" else BINARY
    if profile.deflate and len(body) >= MIN_SIZE:
        return server_frame(opcode, compress(body), compressed=True)
    return server_frame(opcode, body)
