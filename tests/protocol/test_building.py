"""Messages made by applications and clients are judged as those from a socket are."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from hubbub.errors import BadMessage, ConfigurationError
from hubbub.protocol.building import build_message
from hubbub.protocol.messages import ApplicationMessage
from hubbub.protocol.payloads import Image, Text
from tests.protocol.carrying import assert_carried
from tests.protocol.samples import NOW, UUID, Move, Point, Vote, make_wire

WIRE = make_wire()


def build(payload: Any, **fields: Any) -> ApplicationMessage:
    values: dict[str, Any] = {
        "type": None,
        "channel": "room:a",
        "sender": "ann",
        "timestamp": NOW,
        "metadata": None,
        "message_id": UUID,
    }
    message = build_message(WIRE, payload, **values | fields)
    assert_carried(WIRE, message)
    return message


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (Text("Hi"), "text"),
        (Image("http://a", 1, 2), "image"),
        (Vote("yes"), "vote"),
        (Move(Point(1.5, 2.5), 1), "move"),
    ],
)
def test_the_payloads_class_says_the_type(payload: Any, kind: str) -> None:
    message = build(payload)
    assert (message.type, message.payload) == (kind, payload)
    assert (message.message_id, message.sender, message.timestamp) == (UUID, "ann", NOW)
    assert (message.channel, message.metadata) == ("room:a", UNSET)


def test_a_text_for_short() -> None:
    assert build("Hi").payload == Text("Hi")


def test_a_dict_needs_its_type() -> None:
    message = build({"title": "t"}, type="team.note", channel=None, metadata={"a": 1})
    assert (message.type, message.payload, message.channel) == ("team.note", {"title": "t"}, UNSET)
    assert message.metadata == {"a": 1}
    with pytest.raises(ConfigurationError):
        build({"title": "t"})


def test_a_type_may_go_without_payload() -> None:
    assert build(None, type="vote").payload is UNSET


@pytest.mark.parametrize(
    ("payload", "fields", "field"),
    [
        (Text("x" * 4097), {}, "payload.content"),
        (Text(5), {}, "payload.content"),  # type: ignore[arg-type]
        (Move(Point(float("nan"), 0), 1), {}, "payload.to.x"),
        (Move(Point(0, 0), 1, extra=2**53), {}, "payload.extra"),
        (Move(Point(0, 0), 1, extra=object()), {}, "payload"),
        ("Hi", {"sender": ""}, "sender"),
        ("Hi", {"message_id": "1"}, "messageId"),
        ("Hi", {"timestamp": -1}, "timestamp"),
        ("Hi", {"metadata": {"a": float("inf")}}, "metadata.a"),
        ("Hi", {"metadata": {1: 1}}, "metadata"),
        ("Hi", {"metadata": {"a": b"x"}}, "metadata.a"),
        ({}, {"type": "ping"}, "type"),
        ({}, {"type": "nobody"}, "type"),
    ],
)
def test_what_no_socket_may_bring_no_application_may_send(payload: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadMessage) as caught:
        build(payload, **fields)
    assert caught.value.field == field
