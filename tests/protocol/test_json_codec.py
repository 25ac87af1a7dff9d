"""JSON: each rule met exactly and broken by one; hostile text; which error, which field, whose id."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from hubbub.errors import BadMessage, ConfigurationError
from hubbub.protocol import messages, payloads
from tests.protocol.samples import UUID, envelope, make_wire, nested

WIRE = make_wire()


def refused(data: str | bytes) -> BadMessage:
    """The error that the codec answers this text with."""
    with pytest.raises(BadMessage) as caught:
        WIRE.json.decode(data)
    return caught.value


@pytest.mark.parametrize("text", ["", " ", "{", "nonsense", '{"type":"ping"', '{"type":"ping"}x', "{'type':'ping'}"])
def test_what_is_no_json_is_invalid_json(text: str) -> None:
    assert refused(text).code == "invalid_json"
    assert refused(text.encode()).code == "invalid_json"


@pytest.mark.parametrize("text", ["[]", "null", "1", '"ping"', "true", "1e999", '[{"type":"ping"}]'])
def test_a_message_is_an_object(text: str) -> None:
    assert (refused(text).code, refused(text).field) == ("invalid_message", "message")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "0x10", "+1"])
def test_numbers_that_json_has_not(number: str) -> None:
    assert refused(f'{{"type":"ping","payload":{{"a":{number}}}}}').code == "invalid_json"
    assert refused(f'{{"type":"ping","unread":{number}}}').code == "invalid_json"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "9" * 5000])
def test_numbers_out_of_any_range(number: str) -> None:
    error = refused(f'{{"type":"ping","messageId":"{UUID}","payload":{{"a":{number}}}}}')
    assert (error.code, error.field, error.message_id) == ("invalid_message", "payload.a", UUID)
    # Where nobody reads it, it does not matter; many brackets take the slow path.
    assert WIRE.json.decode(f'{{"type":"ping","unread":{number}}}').type == "ping"
    assert WIRE.json.decode(f'{{"type":"ping","unread":[{number},"{"[" * 20}"]}}').type == "ping"


@pytest.mark.parametrize("text", [r"\ud800", r"\udc00\ud800", r"a\udfff", r"\ud83dx"])
def test_lone_surrogates_are_refused_and_named(text: str) -> None:
    error = refused(f'{{"type":"ping","payload":{{"a":[1,"{text}"]}}}}')
    assert (error.code, error.field) == ("invalid_message", "payload.a[1]")
    error = refused(f'{{"type":"ping","payload":{{"{text}":1}}}}')
    assert error.code == "invalid_message"
    assert error.field is not None
    error.field.encode()  # An answer can carry it.
    assert refused(f'{{"type":"{text}"}}').field == "type"


def test_surrogates_in_pairs_are_characters() -> None:
    message = WIRE.json.decode(r'{"type":"ping","payload":{"a":"\ud83d\ude00"}}')
    assert message.payload == {"a": "😀"}


def test_text_that_python_cannot_encode() -> None:
    assert refused('{"type":"ping","payload":{"a":"\ud800"}}').code == "invalid_message"


@pytest.mark.parametrize("data", [b"\xff", b'{"type":"ping","payload":{"a":"\xff"}}', b'{"type":"p\xed\xa0\x80"}'])
def test_bytes_that_are_no_utf_8(data: bytes) -> None:
    assert refused(data).code == "invalid_json"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"type":"ping","payload":{"a":' + "[" * 100_000 + "]" * 100_000 + "}}",
        '{"type":"ping","unread":' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}",
    ],
    ids=["unclosed", "payload", "unread"],
)
def test_nesting_without_end(text: str) -> None:
    error = refused(text)
    assert error.code == "invalid_message"
    assert "16 levels" in error.reason


def test_brackets_within_strings_are_no_nesting() -> None:
    message = WIRE.json.decode(json.dumps(envelope("text", payload={"content": "[{" * 100})))
    assert message.payload.content == "[{" * 100


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"ping","type":"pong"}', "pong"),
        ('{"messageId":"' + UUID + '","type":"ping","type":"pong"}', "pong"),
        ('{"type":5,"type":"pong"}', "pong"),
        ('{"type":"never.heard","type":"ping"}', "ping"),
        ('{"type":"welcome","type":"ping"}', "ping"),
    ],
)
def test_of_duplicate_types_the_last_wins(text: str, kind: str) -> None:
    assert WIRE.json.decode(text).type == kind
    assert refused(text[:-1] + ',"type":"nobody"}').code == "unknown_type"


def test_of_duplicate_keys_the_last_wins() -> None:
    message = WIRE.json.decode('{"type":"ping","channel":5,"channel":"a","channel":"b","payload":[],"payload":{}}')
    assert (message.channel, message.payload) == ("b", {})
    assert refused('{"type":"ping","channel":"a","channel":5}').field == "channel"


def test_unknown_fields_are_ignored() -> None:
    sample = envelope("text", payload={"content": "Hi"})
    more = sample | {"code": 5, "future": [1, {"a": None}]}
    more["payload"] = sample["payload"] | {"future": 2**60}
    assert WIRE.json.decode(json.dumps(more)) == WIRE.json.decode(json.dumps(sample))


@pytest.mark.parametrize("name", ["never.heard", "", "TEXT", "joins", "x" * 100_000, "\x00"])
def test_unknown_types(name: str) -> None:
    error = refused(json.dumps(envelope(name)))
    assert (error.code, error.field, error.message_id) == ("unknown_type", "type", UUID)
    assert len(error.reason) < 100


def test_a_default_handler_gets_unknown_types() -> None:
    wire = make_wire(accept_unknown=True)
    text = json.dumps(envelope("never.heard", payload={"a": [1]}))
    message = wire.json.decode(text)
    assert isinstance(message, messages.UnknownMessage)
    assert (message.type, message.payload) == ("never.heard", {"a": [1]})
    assert json.loads(wire.json.encode(message)) == json.loads(text)
    with pytest.raises(BadMessage) as caught:
        wire.json.decode(json.dumps(envelope("")))
    assert caught.value.code == "unknown_type"


def test_an_empty_channel_is_no_channel() -> None:
    error = refused('{"type":"subscribe","channel":""}')
    assert (error.code, error.field) == ("invalid_channel", "channel")


def test_what_a_peer_wrote_never_makes_an_answer_long() -> None:
    key = "k" * 50_000
    error = refused(json.dumps({"type": "ping", "payload": {key: 2**53}}))
    assert error.field is not None
    assert len(error.field) <= 128
    error = refused(json.dumps(envelope("command", payload={"action": key})))
    assert len(error.reason) <= 128


def test_a_null_target_is_none() -> None:
    null = WIRE.json.decode(json.dumps(envelope("command", payload={"action": "leave", "target": None})))
    none = WIRE.json.decode(json.dumps(envelope("command", payload={"action": "leave"})))
    assert null == none
    assert none.payload.target is None


def test_no_mentions_are_an_empty_list() -> None:
    none = WIRE.json.decode(json.dumps(envelope("text", payload={"content": ""})))
    empty = WIRE.json.decode(json.dumps(envelope("text", payload={"content": "", "mentions": []})))
    assert none == empty
    assert none.payload.mentions == []
    assert b"mentions" not in WIRE.json.encode(empty)


def test_history_counts_the_levels_of_each_message() -> None:
    message = {"type": "history", "messages": [envelope("text", metadata=nested(15)) | {"offset": 1}]}
    decoded = WIRE.json.decode(json.dumps(message))
    assert isinstance(decoded, messages.HistoryMessage)
    assert isinstance(decoded.messages[0], messages.TextMessage)  # type: ignore[index]
    message["messages"] = [envelope("text", metadata=nested(16))]
    assert refused(json.dumps(message)).field == "messages[0].metadata" + ".a" * 15


def test_the_history_is_what_an_error_within_answers_to() -> None:
    other = UUID[:-1] + "0"
    inner = envelope("text", messageId=other) | {"sender": ""}
    assert refused(json.dumps({"type": "history", "messageId": UUID, "messages": [inner]})).message_id == UUID


def test_encoding_what_has_no_form() -> None:
    ping = messages.PingMessage(payload={"a": "\ud800"})
    for encode in (WIRE.json.encode, WIRE.protobuf.encode):
        with pytest.raises(BadMessage) as caught:
            encode(ping)
        assert caught.value.field == "payload.a"
    loop: dict[str, Any] = {}
    loop["a"] = loop
    for encode in (WIRE.json.encode, WIRE.protobuf.encode):
        with pytest.raises(BadMessage):
            encode(messages.PingMessage(payload=loop))


def test_convert_judges_what_was_never_text() -> None:
    text = messages.TextMessage(message_id=UUID, timestamp=1, sender="a", payload=payloads.Text("x" * 4097))
    with pytest.raises(BadMessage) as caught:
        WIRE.json.convert(msgspec.to_builtins(text))
    assert caught.value.field == "payload.content"
    with pytest.raises(BadMessage) as caught:
        WIRE.json.convert({"type": "ping", "payload": {"a": float("nan")}})
    assert caught.value.field == "payload.a"


def test_what_the_wire_does_not_carry_is_unset() -> None:
    message = WIRE.json.decode('{"type":"ping"}')
    assert message.message_id is UNSET
    assert message.payload is UNSET
    assert WIRE.json.encode(message) == b'{"type":"ping"}'


def test_a_codec_closes_its_catalogue() -> None:
    with pytest.raises(ConfigurationError):
        WIRE.catalog.register("late", payloads.Text)
