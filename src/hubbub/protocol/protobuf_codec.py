"""The Protobuf codec: subprotocol `hubbub.protobuf`, one `WebSocketMessage` a message.

Decoding goes through the JSON form: the parsed message becomes the tree of builtins that its JSON would be,
and `JsonCodec.convert` judges it, so that both codecs accept and refuse the same. What proto3 cannot tell
apart is one thing here: in the envelope an empty string or map is an absent one, in a payload a plain string
or number always stands, and an empty list of mentions is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.struct_pb2 import ListValue, Value
from google.protobuf.struct_pb2 import Struct as StructMessage
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET

from hubbub.errors import BadMessage
from hubbub.protocol import payloads
from hubbub.protocol import websocket_pb2 as pb
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.json_codec import JsonCodec
from hubbub.protocol.limits import MAX_SAFE_INTEGER
from hubbub.protocol.messages import Message
from hubbub.protocol.validation import NO_SAFE_NUMBER, as_strings, cannot_encode, id_of

_parse = pb.WebSocketMessage.FromString

_TYPES: Final[dict[str, int]] = {"text": 0, "image": 1, "file": 2, "command": 3}
_TYPE_NAMES: Final = {number: name for name, number in _TYPES.items()}
_ACTIONS: Final[dict[str, int]] = {"join": 0, "leave": 1, "mute": 2, "kick": 3, "unmute": 4}
_ACTION_NAMES: Final = {number: name for name, number in _ACTIONS.items()}

# Attribute of the Protobuf message (and of the classes in `messages`), key in JSON.
_COMMON: Final = (
    ("message_id", "messageId"),
    ("sender", "sender"),
    ("channel", "channel"),
    ("version", "version"),
)
_CONTROL: Final = (
    ("session_id", "sessionId"),
    ("connection_id", "connectionId"),
    ("client_id", "clientId"),
    ("document_id", "documentId"),
    ("code", "code"),
    ("reason", "reason"),
    ("epoch", "epoch"),
)


class ProtobufCodec:
    """Decodes and encodes messages of one catalogue. Stateless between calls."""

    name = "protobuf"

    def __init__(self, catalog: Catalog, json_codec: JsonCodec) -> None:
        self._catalog = catalog
        self._json = json_codec

    def decode(self, data: bytes) -> Message:
        """The message in `data`. Raises `BadMessage` and nothing else, naming the field at fault.

        What cannot be parsed at all is `invalid_message` too.
        """
        try:
            wire = _parse(data)
        except DecodeError:
            raise BadMessage("invalid_message", "is no WebSocketMessage", field="message") from None
        try:
            return self._json.convert(_to_builtins(wire), depth_known=_is_flat(wire))
        except BadMessage as error:
            if error.message_id is None:
                error.message_id = id_of(wire.message_id)
            raise

    def encode(self, message: Message) -> bytes:
        """The message as Protobuf. Raises `BadMessage` for what Protobuf has no form for."""
        wire = pb.WebSocketMessage()
        try:
            self._fill(wire, message)
            return wire.SerializeToString()
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, EncodeError) as error:
            raise cannot_encode(message, error) from None

    def _fill(self, wire: pb.WebSocketMessage, message: Message) -> None:
        name = message.type
        if name in _TYPES:
            wire.type = _TYPES[name]  # type: ignore[assignment]
        else:
            wire.type_name = name
            for attribute, _ in _CONTROL:
                if text := getattr(message, attribute, None):
                    setattr(wire, attribute, text)
            for inner in getattr(message, "messages", None) or ():
                self._fill(wire.messages.add(), self._message(inner))
        for attribute, _ in _COMMON:
            if text := getattr(message, attribute):
                setattr(wire, attribute, text)
        if message.timestamp is not UNSET:
            seconds, ms = divmod(message.timestamp, 1000)
            wire.timestamp.CopyFrom(Timestamp(seconds=seconds, nanos=ms * 1_000_000))
        if message.offset is not UNSET:
            wire.offset = message.offset
        if message.metadata is not UNSET:
            wire.metadata.update(as_strings(message.metadata))
        if message.payload is not UNSET:
            _fill_payload(wire, name, message.payload)

    def _message(self, inner: Any) -> Message:
        """A message within `history`: typed, as JSON, or as a tree of builtins."""
        if isinstance(inner, Message):
            return inner
        if isinstance(inner, msgspec.Raw | bytes):
            return self._json.decode(bytes(inner))
        return self._json.convert(inner)


# --- Decoding ------------------------------------------------------------------------------------------


def _to_builtins(wire: pb.WebSocketMessage) -> dict[str, Any]:
    name = _type_of(wire)
    value: dict[str, Any] = {"type": name}
    for attribute, key in _COMMON:
        if text := getattr(wire, attribute):
            value[key] = text
    if wire.HasField("timestamp"):
        value["timestamp"] = _milliseconds(wire.timestamp)
    if offset := wire.offset:
        value["offset"] = offset
    if wire.metadata:
        value["metadata"] = dict(wire.metadata)
    payload = wire.WhichOneof("payload")
    if payload is not None:
        value["payload"] = _payload(wire, name, payload)
    if name not in _TYPES:
        for attribute, key in _CONTROL:
            if text := getattr(wire, attribute):
                value[key] = text
        if name == "error":
            # Always stands, and may be empty.
            value["reason"] = wire.reason
        elif name == "history" and (wire.messages or "complete" in value.get("payload", ())):
            # An answer, possibly of no messages, which proto3 cannot tell from a question by itself.
            value["messages"] = [_to_builtins(inner) for inner in wire.messages]
    return value


def _type_of(wire: pb.WebSocketMessage) -> str:
    if wire.type_name:
        return wire.type_name
    try:
        return _TYPE_NAMES[wire.type]
    except KeyError:
        raise BadMessage("unknown_type", f"nobody knows type {wire.type}", field="type") from None


def _milliseconds(timestamp: Timestamp) -> int:
    """Whole milliseconds: what is finer is cut off, towards the past."""
    if not 0 <= timestamp.nanos <= 999_999_999:
        raise BadMessage("invalid_message", "has nanos outside 0 … 999999999", field="timestamp")
    return timestamp.seconds * 1000 + timestamp.nanos // 1_000_000


def _payload(wire: pb.WebSocketMessage, name: str, which: str) -> dict[str, Any]:
    if which != (name if name in _TYPES else "data"):
        raise BadMessage("invalid_message", f"is `{which}`, no payload of {name[:64]!r}", field="payload")
    if which == "text":
        text = wire.text
        return {"content": text.content, "mentions": list(text.mentions)}
    if which == "image":
        image = wire.image
        return {"url": image.url, "width": image.width, "height": image.height}
    if which == "file":
        file = wire.file
        return {"url": file.url, "size": file.size, "mimeType": file.mime_type}
    if which == "command":
        return _command(wire.command)
    return _from_struct(wire.data)


def _command(command: pb.CommandPayload) -> dict[str, Any]:
    value: dict[str, Any] = {"action": _ACTION_NAMES.get(command.action, str(command.action))}
    if command.HasField("target"):
        value["target"] = command.target
    if command.HasField("options"):
        options = _from_struct(command.options)
        value.update((key, options[key]) for key in ("position", "ack") if key in options)
    return value


def _is_flat(wire: pb.WebSocketMessage) -> bool:
    """Whether nothing in the message nests freely, so that its depth need not be counted."""
    return not (wire.HasField("data") or wire.HasField("command") or wire.messages)


def _from_struct(struct: StructMessage) -> dict[str, Any]:
    # The parser stops at 100 levels of Protobuf, which are fewer of JSON.
    return {key: _from_value(inner) for key, inner in struct.fields.items()}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        # There are only doubles here: those that are integers stand for integers. NaN and infinity are no
        # integers, and where free numbers are allowed they are out of bounds.
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return _from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(inner) for inner in value.list_value.values]
    return None


# --- Encoding ------------------------------------------------------------------------------------------


def _fill_payload(wire: pb.WebSocketMessage, name: str, payload: Any) -> None:
    if name == "text" and isinstance(payload, payloads.Text):
        wire.text.content = payload.content
        if payload.mentions:
            wire.text.mentions.extend(payload.mentions)
        elif not payload.content:
            wire.text.SetInParent()
        return
    fields = payload if isinstance(payload, dict) else msgspec.to_builtins(payload, str_keys=True)
    if name == "text":
        wire.text.CopyFrom(pb.TextPayload(content=fields["content"], mentions=fields.get("mentions", ())))
    elif name == "image":
        wire.image.CopyFrom(pb.ImagePayload(url=fields["url"], width=fields["width"], height=fields["height"]))
    elif name == "file":
        wire.file.CopyFrom(pb.FilePayload(url=fields["url"], size=fields["size"], mime_type=fields["mimeType"]))
    elif name == "command":
        _fill_command(wire.command, fields)
    else:
        wire.data.SetInParent()
        _fill_struct(wire.data, fields, "payload")


def _fill_command(command: pb.CommandPayload, fields: Mapping[str, Any]) -> None:
    command.SetInParent()
    command.action = _ACTIONS[fields["action"]]  # type: ignore[assignment]
    if fields.get("target") is not None:
        command.target = fields["target"]
    options = {key: fields[key] for key in ("position", "ack") if key in fields}
    if options:
        _fill_struct(command.options, options, "payload")


def _fill_struct(struct: StructMessage, fields: Mapping[str, Any], path: str) -> None:
    for key, inner in fields.items():
        _fill_value(struct.fields[key], inner, f"{path}.{key}")


def _fill_list(values: ListValue, items: list[Any] | tuple[Any, ...], path: str) -> None:
    for at, inner in enumerate(items):
        _fill_value(values.values.add(), inner, f"{path}[{at}]")


def _fill_value(value: Value, inner: Any, path: str) -> None:
    # bool first: it is an int, too.
    if inner is None:
        value.null_value = 0  # type: ignore[assignment]
    elif isinstance(inner, bool):
        value.bool_value = inner
    elif isinstance(inner, str):
        value.string_value = inner
    elif isinstance(inner, int | float):
        if not -MAX_SAFE_INTEGER <= inner <= MAX_SAFE_INTEGER:
            raise BadMessage("invalid_message", NO_SAFE_NUMBER, field=path)
        value.number_value = inner
    elif isinstance(inner, dict):
        value.struct_value.SetInParent()
        _fill_struct(value.struct_value, inner, path)
    elif isinstance(inner, list | tuple):
        value.list_value.SetInParent()
        _fill_list(value.list_value, inner, path)
    else:
        _fill_value(value, msgspec.to_builtins(inner, str_keys=True), path)
