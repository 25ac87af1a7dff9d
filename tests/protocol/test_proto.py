"""The Protobuf contract is the code's: every field of the types has its place, under its number."""

from __future__ import annotations

import json
import re
from typing import get_args

import msgspec
import pytest
from msgspec import UNSET

from hubbub.protocol import payloads
from hubbub.protocol import websocket_pb2 as pb
from hubbub.protocol.schema import proto_text
from tests.protocol.samples import SAMPLES, make_wire

WIRE = make_wire()

NUMBERS = {
    "WebSocketMessage": {
        "message_id": 1,
        "timestamp": 2,
        "type": 3,
        "sender": 4,
        "text": 5,
        "image": 6,
        "file": 7,
        "command": 8,
        "metadata": 9,
        "version": 10,
        "channel": 11,
        "offset": 12,
        "type_name": 13,
        "data": 14,
        "messages": 15,
        "session_id": 16,
        "connection_id": 17,
        "client_id": 18,
        "document_id": 19,
        "code": 20,
        "reason": 21,
        "epoch": 22,
    },
    "TextPayload": {"content": 1, "mentions": 2},
    "ImagePayload": {"url": 1, "width": 2, "height": 3},
    "FilePayload": {"url": 1, "size": 2, "mime_type": 3},
    "CommandPayload": {"action": 1, "target": 2, "options": 3},
}
ENUMS = {
    "MessageType": {"TEXT": 0, "IMAGE": 1, "FILE": 2, "COMMAND": 3},
    "CommandAction": {"JOIN": 0, "LEAVE": 1, "MUTE": 2, "KICK": 3, "UNMUTE": 4},
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_numbers_are_the_protocols(name: str) -> None:
    fields = pb.DESCRIPTOR.message_types_by_name[name].fields
    assert {field.name: field.number for field in fields} == NUMBERS[name]


@pytest.mark.parametrize("name", ENUMS)
def test_the_enums_are_the_protocols(name: str) -> None:
    values = pb.DESCRIPTOR.enum_types_by_name[name].values
    assert {value.name: value.number for value in values} == ENUMS[name]


def test_the_generated_code_is_the_published_text() -> None:
    found: dict[str, dict[str, int]] = {}
    name = ""
    for line in proto_text().splitlines():
        if opened := re.match(r"(?:message|enum) (\w+) \{", line):
            name = opened[1]
        elif field := re.match(r"\s+[\w<>., ]*?(\w+) = (\d+);", line):
            found.setdefault(name, {})[field[1]] = int(field[2])
    assert found == NUMBERS | ENUMS
    assert pb.DESCRIPTOR.package == "websocket"


def test_every_field_of_a_message_has_its_place() -> None:
    for cls in WIRE.catalog:
        own = set(cls.__struct_fields__) - {"payload"}
        assert own <= NUMBERS["WebSocketMessage"].keys(), cls
    assert {"type", "type_name"} <= NUMBERS["WebSocketMessage"].keys()


@pytest.mark.parametrize(
    ("cls", "name"),
    [(payloads.Text, "TextPayload"), (payloads.Image, "ImagePayload"), (payloads.File, "FilePayload")],
)
def test_every_field_of_a_native_payload_has_its_place(cls: type[msgspec.Struct], name: str) -> None:
    assert set(cls.__struct_fields__) == NUMBERS[name].keys()


def test_a_command_has_its_place() -> None:
    assert set(payloads.Command.__struct_fields__) == {"action", "target", "position", "ack"}
    (literal,) = get_args(payloads.Action)[:1]
    assert {name.upper() for name in get_args(literal)} == ENUMS["CommandAction"].keys()


def test_every_other_payload_is_data() -> None:
    for cls in WIRE.catalog:
        message = WIRE.json.decode(json.dumps(SAMPLES[cls.type]))
        wire = pb.WebSocketMessage.FromString(WIRE.protobuf.encode(message))
        native = cls.type in ("text", "image", "file", "command")
        if message.payload is not UNSET:
            assert wire.WhichOneof("payload") == (cls.type if native else "data")
        assert wire.type_name == ("" if native else cls.type)
