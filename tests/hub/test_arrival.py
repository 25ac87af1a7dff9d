"""Records that came out of a log: read no further than is needed."""

from __future__ import annotations

import pytest
from msgspec import MsgspecError

from hubbub.errors import BadMessage
from hubbub.hub.arrival import read_record
from hubbub.hub.audience import Audience, seal
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.messages import UnknownMessage
from hubbub.protocol.wire import Wire, profile_of

ID = "00000000-0000-4000-8000-000000000001"


def body(type: str = "text", payload: str = '{"content":"hi"}', channel: str = "topic:a.b") -> bytes:
    head = f'"type":"{type}","messageId":"{ID}","timestamp":1,"sender":"ann","channel":"{channel}"'
    return f'{{{head},"payload":{payload}}}'.encode()


def test_channel_audience_and_bytes_are_at_hand() -> None:
    audience = Audience(groups=("staff",))
    item = read_record(Wire(Catalog()), seal(audience, body(channel="group:staff")), 7)
    assert (item.offset, item.channel.text, item.channel.log) == (7, "group:staff", "all")
    assert item.audience == audience
    assert item.body == body(channel="group:staff")
    assert read_record(Wire(Catalog()), body(), 7).audience is None


def test_the_message_is_decoded_once() -> None:
    item = read_record(Wire(Catalog()), body(), 7)
    assert item.message is item.message
    assert item.message.payload.content == "hi"  # type: ignore[attr-defined]


@pytest.mark.parametrize("codec", ["json", "protobuf"])
def test_a_type_that_only_a_newer_node_knows_goes_out_all_the_same(codec: str) -> None:
    wire = Wire(Catalog())
    item = read_record(wire, body("from.the.future", '{"x":1}'), 7)
    assert isinstance(item.message, UnknownMessage)
    assert (item.message.type, item.message.payload) == ("from.the.future", {"x": 1})
    assert b"from.the.future" in wire.delivery_frame(profile_of(codec), item.body, 7, item.message)


@pytest.mark.parametrize(
    "record", [b"", b"nonsense", b"@nonsense", b"@{}\n", b"{}", b'{"channel":""}', b'{"channel":7}']
)
def test_what_is_no_record_is_refused(record: bytes) -> None:
    with pytest.raises((MsgspecError, BadMessage)):
        read_record(Wire(Catalog()), record, 1)
