"""Protobuf: what JSON wrote is read, the contract is the code's, and what proto3 leaves open is decided."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from hubbub.errors import BadMessage
from hubbub.protocol import messages, payloads
from hubbub.protocol import websocket_pb2 as pb
from tests.protocol.carrying import assert_carried, tree
from tests.protocol.raw import raw_protobuf
from tests.protocol.samples import NOW, SAMPLES, UUID, envelope, make_wire

WIRE = make_wire()


def refused(data: bytes | pb.WebSocketMessage) -> BadMessage:
    """The error that the codec answers this message with."""
    with pytest.raises(BadMessage) as caught:
        WIRE.protobuf.decode(data if isinstance(data, bytes) else data.SerializeToString())
    return caught.value


def decoded(message: pb.WebSocketMessage) -> Any:
    return WIRE.protobuf.decode(message.SerializeToString())


def wire_text(**fields: Any) -> pb.WebSocketMessage:
    """A valid text, but for these fields."""
    message = pb.WebSocketMessage(message_id=UUID, sender="ann", timestamp=Timestamp(seconds=1))
    message.text.content = "Hi"
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def wire_ping(**payload: Any) -> pb.WebSocketMessage:
    message = pb.WebSocketMessage(type_name="ping")
    message.data.update(payload)
    return message


# --- Both codecs, one message --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_protobuf_client_reads_what_a_json_client_wrote(kind: str) -> None:
    message = WIRE.json.decode(json.dumps(SAMPLES[kind]))
    assert_carried(WIRE, message)
    assert tree(WIRE, WIRE.protobuf.decode(WIRE.protobuf.encode(message))) == tree(WIRE, message)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_a_json_client_reads_what_a_protobuf_client_wrote(kind: str) -> None:
    data = raw_protobuf(SAMPLES[kind])
    assert data is not None
    assert WIRE.protobuf.decode(data) == WIRE.json.decode(json.dumps(SAMPLES[kind]))


def test_values_of_metadata_that_are_no_strings_become_their_json_and_stay_it() -> None:
    metadata = {"a": "red", "b": 1, "c": [True, {"d": None}], "e": None, "f": '{"g":1}', "h": 1.5}
    message = WIRE.json.decode(json.dumps(envelope("text", metadata=metadata)))
    through = WIRE.protobuf.decode(WIRE.protobuf.encode(message))
    assert through.metadata == {
        "a": "red",
        "b": "1",
        "c": '[true,{"d":null}]',
        "e": "null",
        "f": '{"g":1}',
        "h": "1.5",
    }
    assert WIRE.protobuf.decode(WIRE.protobuf.encode(through)) == through


@given(st.floats(-(2**53) + 1, 2**53 - 1))
def test_numbers_that_are_integral_become_integers(number: float) -> None:
    through = decoded(wire_ping(a=number)).payload["a"]
    assert through == number
    assert isinstance(through, int) == number.is_integer()


def test_registered_types_have_their_own_classes_back() -> None:
    for kind in ("move", "vote", "team.note"):
        message = WIRE.json.decode(json.dumps(SAMPLES[kind]))
        through = WIRE.protobuf.decode(WIRE.protobuf.encode(message))
        assert type(through.payload) is type(message.payload)
        assert through == message


# --- What proto3 leaves open ---------------------------------------------------------------------------


def test_type_name_wins_when_it_is_set() -> None:
    assert decoded(wire_text(type=pb.MessageType.IMAGE, type_name="text")).type == "text"
    assert refused(wire_text(type_name="ping")).field == "payload"
    assert decoded(pb.WebSocketMessage(type=pb.MessageType.FILE, type_name="ping")).type == "ping"


def test_numbers_of_a_later_enum_are_unknown() -> None:
    error = refused(wire_text(type=9))
    assert (error.code, error.field, error.message_id) == ("unknown_type", "type", UUID)
    message = wire_text(type=pb.MessageType.COMMAND)
    message.command.action = 9  # type: ignore[assignment]
    error = refused(message)
    assert (error.code, error.field, error.message_id) == ("invalid_message", "payload.action", UUID)


def test_unknown_type_names() -> None:
    assert refused(wire_text(type_name="never.heard")).code in {"invalid_message", "unknown_type"}
    assert refused(pb.WebSocketMessage(type_name="never.heard")).code == "unknown_type"
    wire = make_wire(accept_unknown=True)
    data = raw_protobuf(envelope("never.heard", payload={"a": [1, None]}))
    assert data is not None
    message = wire.protobuf.decode(data)
    assert (message.type, message.payload) == ("never.heard", {"a": [1, None]})
    assert wire.protobuf.decode(wire.protobuf.encode(message)) == message


@pytest.mark.parametrize("kind", ["text", "image", "file", "command", "ping", "vote"])
@pytest.mark.parametrize("which", ["text", "image", "file", "command", "data"])
def test_a_payload_of_another_type_is_refused(kind: str, which: str) -> None:
    message = pb.WebSocketMessage(type_name=kind, message_id=UUID, sender="a")
    getattr(message, which).SetInParent()
    error = refused(message) if kind != "ping" or which != "data" else None
    if which == (kind if kind in ("text", "image", "file", "command") else "data"):
        assert error is None or error.field != "payload"
    else:
        assert error is not None
        assert (error.code, error.field, error.message_id) == ("invalid_message", "payload", UUID)


def test_a_command_without_target_and_with_an_empty_one() -> None:
    message = wire_text(type=pb.MessageType.COMMAND)
    message.command.action = pb.CommandAction.KICK
    assert decoded(message).payload.target is None
    message.command.target = ""
    assert decoded(message).payload.target == ""
    again = pb.WebSocketMessage.FromString(WIRE.protobuf.encode(decoded(message)))
    assert again.command.HasField("target")


def test_options_of_a_command_are_position_and_ack_only() -> None:
    message = wire_text(type=pb.MessageType.COMMAND)
    message.command.options.update({"ack": True, "action": "kick", "target": "bob", "x": 1})
    command = decoded(message).payload
    assert command == payloads.Command("join", ack=True)
    message.command.options.update({"position": {"epoch": 5}})
    assert refused(message).field == "payload.position.epoch"


@pytest.mark.parametrize(
    ("seconds", "nanos", "ms"),
    [(0, 0, 0), (1, 999_999_999, 1999), (253402300799, 999_000_000, 253402300799999), (5, 1, 5000)],
)
def test_timestamps(seconds: int, nanos: int, ms: int) -> None:
    message = wire_text()
    message.timestamp.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    assert decoded(message).timestamp == ms


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        *((-1, 0), (-1, 999_999_999), (0, -1), (0, 10**9), (1, 2**31 - 1), (1, -(2**31))),
        *((253402300800, 0), (2**63 - 1, 0), (-(2**63), 0), (2**63 - 1, 999_999_999)),
    ],
)
def test_timestamps_out_of_range(seconds: int, nanos: int) -> None:
    message = wire_text()
    message.timestamp.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    error = refused(message)
    assert (error.code, error.field, error.message_id) == ("invalid_message", "timestamp", UUID)


def test_no_timestamp_is_not_the_first_moment() -> None:
    message = wire_text()
    message.ClearField("timestamp")
    assert refused(message).field == "timestamp"
    assert "missing" in refused(message).reason


@pytest.mark.parametrize("offset", [2**53, 2**63, 2**64 - 1])
def test_offsets_that_json_does_not_carry(offset: int) -> None:
    assert refused(wire_text(offset=offset)).field == "offset"
    assert decoded(wire_text(offset=2**53 - 1)).offset == 2**53 - 1
    assert decoded(wire_text(offset=0)).offset is UNSET


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 2.0**53, -(2.0**53), 1e300])
def test_numbers_that_json_does_not_carry(number: float) -> None:
    error = refused(wire_ping(a=[{"b": number}]))
    assert (error.code, error.field) == ("invalid_message", "payload.a[0].b")
    gap = pb.WebSocketMessage(type_name="gap")
    gap.data.update({"epoch": "e", "from": number, "to": 1, "reason": ""})
    assert refused(gap).field == "payload.from"


def test_a_value_of_no_kind_is_null() -> None:
    message = wire_ping()
    message.data.fields["a"].SetInParent()
    assert decoded(message).payload == {"a": None}


def test_empty_strings_and_maps_are_absent_ones() -> None:
    message = decoded(wire_text(channel="", version=""))
    assert (message.channel, message.version, message.metadata) == (UNSET, UNSET, UNSET)
    assert refused(wire_text(sender="")).field == "sender"
    empty = WIRE.json.decode(json.dumps(envelope("text", metadata={}, payload={"content": ""})))
    through = WIRE.protobuf.decode(WIRE.protobuf.encode(empty))
    assert (through.metadata, through.payload) == (UNSET, payloads.Text(""))


def test_an_empty_payload_is_no_absent_one() -> None:
    ping = messages.PingMessage(payload={})
    assert WIRE.protobuf.decode(WIRE.protobuf.encode(ping)).payload == {}
    text = messages.TextMessage(message_id=UUID, timestamp=NOW, sender="a")
    assert WIRE.protobuf.decode(WIRE.protobuf.encode(text)).payload is UNSET


def test_a_history_of_nothing_is_an_answer_all_the_same() -> None:
    answer = messages.HistoryMessage(messages=[], payload=payloads.History(epoch="e", complete=True))
    assert WIRE.protobuf.decode(WIRE.protobuf.encode(answer)) == answer
    question = messages.HistoryMessage(payload=payloads.History(limit=5))
    assert WIRE.protobuf.decode(WIRE.protobuf.encode(question)) == question


def test_a_history_may_hold_messages_in_any_form() -> None:
    text = WIRE.json.decode(json.dumps(SAMPLES["text"]))
    record = WIRE.json.encode(text)
    answer = messages.HistoryMessage(messages=[text, SAMPLES["text"], msgspec.Raw(record), record])
    through = WIRE.protobuf.decode(WIRE.protobuf.encode(answer))
    assert isinstance(through, messages.HistoryMessage)
    assert through.messages == [text] * 4


# --- Hostile bytes -------------------------------------------------------------------------------------


def test_a_history_within_a_history_without_end() -> None:
    message = pb.WebSocketMessage(type_name="history")
    for _ in range(60):
        message = pb.WebSocketMessage(type_name="history", messages=[message])
    assert refused(message).field == "messages[0].type"
    data = b""
    for _ in range(5000):
        data = b"\x6a\x07history\x7a" + _sized(data)
    assert (refused(data).code, refused(data).field) == ("invalid_message", "message")


def test_values_within_values_without_end() -> None:
    value = b"\x11" + bytes(8)
    for _ in range(40):
        value = b"\x32" + _sized(b"\x0a" + _sized(value))
    struct = b"\x0a" + _sized(b"\x0a\x01a\x12" + _sized(value))
    error = refused(b"\x6a\x04ping\x72" + _sized(struct))
    assert (error.code, error.field) == ("invalid_message", "payload.a" + "[0]" * 14)


@pytest.mark.parametrize("data", [b"\xff", b"\x0a", b"\x0a\x05ab", b"\x22\x01\xff", b"\x22\x03\xed\xa0\x80", b"{}"])
def test_what_cannot_be_parsed_is_an_invalid_message(data: bytes) -> None:
    assert (refused(data).code, refused(data).field) == ("invalid_message", "message")


def test_nothing_is_a_text_without_an_id() -> None:
    assert refused(b"").field == "messageId"


def test_unknown_fields_are_ignored() -> None:
    data = wire_text().SerializeToString()
    assert WIRE.protobuf.decode(data + b"\xfa\x3e\x03new") == WIRE.protobuf.decode(data)


def test_metadata_over_4_kib_is_too_large() -> None:
    message = wire_text()
    message.metadata["k"] = "x" * (4096 - len('{"k":""}'))
    assert decoded(message).metadata
    message.metadata["k"] += "x"
    assert (refused(message).code, refused(message).field) == ("too_large", "metadata")


@pytest.mark.parametrize(
    "message",
    [
        messages.PingMessage(payload={"a": 2**53}),
        messages.PingMessage(payload={"a": float("nan")}),
        messages.PingMessage(payload={1: 1}),
        messages.PingMessage(payload={"a": object()}),
        messages.PongMessage(offset=2**64),
        messages.PongMessage(timestamp=10**30),
        messages.ImageMessage(message_id=UUID, timestamp=1, sender="a", payload=payloads.Image("u", 2**31, 1)),
        messages.TextMessage(message_id=UUID, timestamp=1, sender="a", payload={}),
        messages.HistoryMessage(messages=[{"type": "nobody"}]),
    ],
)
def test_what_has_no_form_is_not_encoded(message: messages.Message) -> None:
    with pytest.raises(BadMessage):
        WIRE.protobuf.encode(message)


def _sized(data: bytes) -> bytes:
    """The bytes after their length, as Protobuf writes it."""
    out, number = bytearray(), len(data)
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number)) + data
