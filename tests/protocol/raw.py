"""Protobuf as a careless client would write it: no rule is looked at."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.timestamp_pb2 import Timestamp

from hubbub.protocol import websocket_pb2 as pb

_NATIVE = ("text", "image", "file", "command")


def raw_protobuf(message: Any) -> bytes | None:
    """The JSON tree as Protobuf; `None` where Protobuf's own types, or its want of presence, forbid it."""
    try:
        wire = _message(message)
    except (TypeError, ValueError, KeyError, AttributeError, ParseError):
        return None
    return wire.SerializeToString()


def _message(message: dict[str, Any]) -> pb.WebSocketMessage:
    wire = pb.WebSocketMessage()
    kind = message["type"]
    if kind in _NATIVE:
        wire.type = _NATIVE.index(kind)  # type: ignore[assignment]
    else:
        wire.type_name = kind
    for key, value in message.items():
        _set(wire, kind, key, value)
    return wire


def _set(wire: pb.WebSocketMessage, kind: str, key: str, value: Any) -> None:
    if key == "timestamp":
        _only(int, value)
        wire.timestamp.CopyFrom(Timestamp(seconds=value // 1000, nanos=value % 1000 * 1_000_000))
    elif key == "metadata":
        _only(dict, value)
        wire.metadata.update(value)
    elif key == "messages":
        _only(list, value)
        wire.messages.extend(_message(each) for each in value)
    elif key == "payload":
        _set_payload(wire, kind, value)
    elif key != "type":
        # Zero and the empty string cannot be told from nothing, which is the same only for these.
        if not value and key not in {"sender", "sessionId", "reason"}:
            raise ValueError(key)
        setattr(wire, re.sub("([A-Z])", r"_\1", key).lower(), value)


def _set_payload(wire: pb.WebSocketMessage, kind: str, value: Any) -> None:
    _only(dict, value)
    if kind == "command":
        _set_command(wire.command, value)
    elif kind in _NATIVE:
        part = ParseDict(value, getattr(wire, kind))
        names = {field.json_name for field in part.DESCRIPTOR.fields} - {"mentions"}
        if not names <= value.keys():
            raise KeyError(names - value.keys())
    else:
        wire.data.SetInParent()
        ParseDict(value, wire.data)


def _set_command(command: pb.CommandPayload, value: dict[str, Any]) -> None:
    command.action = pb.CommandAction.Value(value["action"].upper())
    if value.get("target") is not None:
        command.target = value["target"]
    options = {key: value[key] for key in ("position", "ack") if key in value}
    if options:
        ParseDict(options, command.options)


def _only(kind: type, value: Any) -> None:
    if type(value) is not kind:
        raise TypeError(value)
