"""Each bound met exactly and passed by one, in both codecs: the same error, naming the same field."""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import msgspec
import pytest

from hubbub.errors import BadMessage
from hubbub.protocol.limits import MAX_CHUNK
from tests.protocol.raw import raw_protobuf
from tests.protocol.samples import SAMPLES, UUID, envelope, make_wire, nested

WIRE = make_wire()


def as_text(message: Any) -> str:
    """The message as JSON, with integers of any length."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(message)
    finally:
        sys.set_int_max_str_digits(limit)


def refused(data: str | bytes) -> BadMessage:
    """The error that the JSON codec answers this text with."""
    with pytest.raises(BadMessage) as caught:
        WIRE.json.decode(data)
    return caught.value


def base64_of(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


def with_metadata_of(size: int) -> dict[str, str]:
    """Metadata of exactly this many bytes as compact JSON."""
    return {"k": "x" * (size - len('{"k":""}'))}


DATA = SAMPLES["data"]["payload"]
MOVE = SAMPLES["move"]["payload"]

AT_THE_BOUND: list[tuple[str, dict[str, Any]]] = [
    ("content", envelope("text", payload={"content": "x" * 4096})),
    ("content of wide characters", envelope("text", payload={"content": "😀" * 4096})),
    ("no content", envelope("text", payload={"content": ""})),
    ("first moment", envelope("text") | {"timestamp": 0}),
    ("last moment", envelope("text") | {"timestamp": 253402300799999}),
    ("offset", envelope("text", offset=1)),
    ("largest offset", envelope("text", offset=2**53 - 1)),
    ("sender", envelope("text") | {"sender": "x"}),
    ("width", envelope("image", payload={"url": "http://a", "width": 1, "height": 2**31 - 1})),
    ("size", envelope("file", payload={"url": "https://a", "size": 2**53 - 1, "mimeType": ""})),
    ("transfer", envelope("data", payload=DATA | {"transferId": "x" * 64})),
    ("chunk", envelope("data", payload=DATA | {"chunk": base64_of(MAX_CHUNK)})),
    ("empty chunk", envelope("data", payload=DATA | {"chunk": ""})),
    ("metadata", envelope("text", metadata=with_metadata_of(4096))),
    ("metadata's level", envelope("text", metadata=nested(15))),
    ("payload's level", {"type": "ping", "payload": nested(15)}),
    ("an unread field's level", {"type": "ping", "unread": nested(15)}),
    ("free numbers", {"type": "ping", "payload": {"a": 2**53 - 1, "b": -(2**53 - 1)}}),
    ("version", {"type": "hello", "version": "999999999.0"}),
]


@pytest.mark.parametrize("message", [message for _, message in AT_THE_BOUND], ids=[n for n, _ in AT_THE_BOUND])
def test_a_bound_may_be_met(message: dict[str, Any]) -> None:
    decoded = WIRE.json.decode(json.dumps(message))
    again = WIRE.protobuf.decode(WIRE.protobuf.encode(decoded))
    assert again.payload == decoded.payload


BEYOND: list[tuple[str, dict[str, Any]]] = [
    ("payload.content", envelope("text", payload={"content": "x" * 4097})),
    ("payload.content", envelope("text", payload={})),
    ("payload.mentions[1]", envelope("text", payload={"content": "", "mentions": ["a", 1]})),
    ("payload", envelope("text", payload=[])),
    ("payload", envelope("text", payload=None)),
    ("timestamp", envelope("text") | {"timestamp": -1}),
    ("timestamp", envelope("text") | {"timestamp": 253402300800000}),
    ("timestamp", envelope("text") | {"timestamp": 1.0}),
    ("timestamp", envelope("text") | {"timestamp": True}),
    ("offset", envelope("text", offset=0)),
    ("offset", envelope("text", offset=2**53)),
    ("offset", envelope("text", offset=10**30)),
    ("offset", envelope("text", offset=10**5000)),
    ("sender", envelope("text") | {"sender": ""}),
    ("messageId", envelope("text") | {"messageId": UUID[:-1]}),
    ("messageId", envelope("text") | {"messageId": UUID + "0"}),
    ("messageId", envelope("text") | {"messageId": UUID[:-1] + "g"}),
    ("messageId", envelope("text") | {"messageId": UUID[:-1] + "\n"}),
    ("messageId", envelope("text") | {"messageId": UUID.replace("-", "0")}),
    ("payload.width", envelope("image", payload={"url": "http://a", "width": 0, "height": 1})),
    ("payload.height", envelope("image", payload={"url": "http://a", "width": 1, "height": 2**31})),
    ("payload.url", envelope("image", payload={"url": "ftp://a", "width": 1, "height": 1})),
    ("payload.url", envelope("image", payload={"url": "http://", "width": 1, "height": 1})),
    ("payload.url", envelope("image", payload={"url": "http://a b", "width": 1, "height": 1})),
    ("payload.url", envelope("image", payload={"url": "http://a\n", "width": 1, "height": 1})),
    ("payload.url", envelope("image", payload={"url": "javascript:alert(1)", "width": 1, "height": 1})),
    ("payload.size", envelope("file", payload={"url": "http://a", "size": 0, "mimeType": ""})),
    ("payload.size", envelope("file", payload={"url": "http://a", "size": 2**53, "mimeType": ""})),
    ("payload.mimeType", envelope("file", payload={"url": "http://a", "size": 1})),
    ("payload.action", envelope("command", payload={"action": "dance"})),
    ("payload.position.offset", envelope("command", payload={"action": "join", "position": {"epoch": "e"}})),
    ("payload.transferId", envelope("data", payload=DATA | {"transferId": "x" * 65})),
    ("payload.transferId", envelope("data", payload=DATA | {"transferId": ""})),
    ("payload.count", envelope("data", payload=DATA | {"count": 0})),
    ("payload.index", envelope("data", payload=DATA | {"index": -1})),
    ("payload.chunk", envelope("data", payload=DATA | {"chunk": base64_of(MAX_CHUNK + 1)})),
    ("payload.chunk", envelope("data", payload=DATA | {"chunk": "aGk"})),
    ("payload.chunk", envelope("data", payload=DATA | {"chunk": "aGk=\n"})),
    ("payload.chunk", envelope("data", payload=DATA | {"chunk": "aG-_"})),
    ("metadata.a", envelope("text", metadata={"a": 2**53})),
    ("metadata" + ".a" * 15, envelope("text", metadata=nested(16))),
    ("metadata", envelope("text", metadata=[])),
    ("payload" + ".a" * 15, {"type": "ping", "payload": nested(16)}),
    ("unread" + ".a" * 15, {"type": "ping", "unread": nested(16)}),
    ("unread[0]" + ".a" * 14, {"type": "ping", "unread": [nested(15)]}),
    ("payload.a", {"type": "ping", "payload": {"a": 2**53}}),
    ("payload.a[1].b", {"type": "ping", "payload": {"a": [0, {"b": -(2**53)}]}}),
    ("payload.a", {"type": "ping", "payload": {"a": 1e300}}),
    ("payload.profile.a", {"type": "hello", "payload": {"profile": {"a": 2**53}}}),
    ("payload.positions.*.offset", {"type": "position", "payload": {"positions": {"all": {"epoch": "e"}}}}),
    ("payload.to.y", envelope("move", payload={"to": {"x": 1}, "steps": 1})),
    (
        "payload.extra.a",
        envelope("move", payload={"to": {"x": 1, "y": 1}, "steps": 1, "extra": {"a": 2**53}}),
    ),
    ("payload.to.x", envelope("move", payload={"to": {"x": 1e300, "y": 1}, "steps": 1})),
    ("payload.weight", envelope("vote", payload={"choice": "a", "weight": 2**53})),
    ("payload.tags[0]", envelope("team.note", payload={"title": "t", "tags": [1]})),
    ("version", {"type": "hello", "version": "1"}),
    ("version", {"type": "hello", "version": "1.02"}),
    ("version", {"type": "hello", "version": "1.2\n"}),
    ("version", {"type": "hello", "version": "-1.2"}),
    ("version", {"type": "hello", "version": ""}),
    ("version", {"type": "hello", "version": "1.2.3"}),
    ("version", {"type": "hello", "version": "1.1000000000"}),
    ("version", {"type": "hello", "version": "1.٢"}),
    ("sessionId", {"type": "restore_session"}),
    ("sessionId", {"type": "restore_session", "sessionId": ""}),
    ("epoch", {"type": "ack", "epoch": ""}),
    ("channel", {"type": "ack", "channel": 5}),
    ("type", {"type": None}),
    ("type", {}),
    ("messages[0].sender", {"type": "history", "messages": [envelope("text") | {"sender": ""}]}),
    ("messages[0]", {"type": "history", "messages": ["x"]}),
    ("messages", {"type": "history", "messages": {}}),
]


@pytest.mark.parametrize(("field", "message"), BEYOND)
def test_a_bound_may_not_be_passed(field: str, message: dict[str, Any]) -> None:
    error = refused(as_text(message))
    assert (error.code, error.field) == ("invalid_message", field)
    assert error.message_id == (UUID if message.get("messageId") == UUID else None)


SAID_IN_PROTOBUF = [(field, message) for field, message in BEYOND if raw_protobuf(message) is not None]


@pytest.mark.parametrize(("field", "message"), SAID_IN_PROTOBUF)
def test_nor_in_protobuf(field: str, message: dict[str, Any]) -> None:
    with pytest.raises(BadMessage) as caught:
        WIRE.protobuf.decode(raw_protobuf(message) or b"")
    expected = refused(as_text(message))
    assert (caught.value.code, caught.value.field) == (expected.code, field)
    assert caught.value.message_id == expected.message_id


def test_protobuf_can_say_much_that_is_wrong() -> None:
    assert len(SAID_IN_PROTOBUF) > len(BEYOND) // 2


def test_metadata_over_4_kib_is_too_large() -> None:
    error = refused(json.dumps(envelope("text", metadata=with_metadata_of(4097))))
    assert (error.code, error.field, error.message_id) == ("too_large", "metadata", UUID)


def test_metadata_is_measured_as_protobuf_clients_have_it_too() -> None:
    # As JSON within a string every quote takes a character more.
    metadata = {"k": ["x"] * 1000}
    assert len(msgspec.json.encode(metadata)) < 4096
    assert refused(json.dumps(envelope("text", metadata=metadata))).code == "too_large"


def test_metadata_is_measured_in_bytes() -> None:
    assert refused(json.dumps(envelope("text", metadata={"k": "ä" * 2048}))).code == "too_large"
