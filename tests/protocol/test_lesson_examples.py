"""Every message that the reference lesson publishes, as it stands there or with what it elides filled in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hubbub.errors import BadMessage
from hubbub.protocol.messages import RestoreSessionMessage, TextMessage
from hubbub.protocol.payloads import Command, Text
from hubbub.protocol.versions import ProtocolVersion
from hubbub.protocol.wire import message_version
from tests.protocol.carrying import assert_carried
from tests.protocol.oracle import faults
from tests.protocol.samples import NOW, UUID, envelope, make_wire

WIRE = make_wire()

VERSIONED: dict[str, Any] = {
    "version": "1.2",
    "messageId": "a1b2c3d4-...",
    "type": "text",
    "sender": "user123",
    "payload": {"content": "Hello", "mentions": ["user456"]},
}


def accepted(message: dict[str, Any]) -> Any:
    """The message as decoded; the schema accepts it too, and both codecs carry it."""
    assert faults(message) == set()
    decoded = WIRE.json.decode(json.dumps(message))
    assert_carried(WIRE, decoded)
    return decoded


@pytest.mark.parametrize("content", ["Hello, distributed world!", "Hello, Kafka world!"])
def test_the_text_message(content: str) -> None:
    message = accepted(
        {
            "messageId": UUID,
            "timestamp": NOW,
            "type": "text",
            "sender": "user123",
            "payload": {"content": content},
        }
    )
    assert isinstance(message, TextMessage)
    assert message.payload == Text(content)


def test_the_versioned_message_with_mentions() -> None:
    message = accepted(VERSIONED | {"messageId": UUID, "timestamp": NOW})
    assert message.payload.mentions == ["user456"]
    assert message_version(message, ProtocolVersion(1, 0)) == ProtocolVersion(1, 2)


def test_the_versioned_message_as_published_lacks_what_its_schema_requires() -> None:
    with pytest.raises(BadMessage) as caught:
        WIRE.json.decode(json.dumps(VERSIONED))
    assert caught.value.field in faults(VERSIONED) == {"messageId", "timestamp"}


def test_a_handler_of_1_0_ignores_the_mentions() -> None:
    message = accepted(VERSIONED | {"messageId": UUID, "timestamp": NOW, "version": "1.0"})
    assert WIRE.judge_newer(message, ProtocolVersion(1, 0)).payload == Text("Hello")
    assert WIRE.judge_newer(message, ProtocolVersion(1, 1)).payload.mentions == ["user456"]


@pytest.mark.parametrize("action", ["join", "leave", "mute", "kick"])
@pytest.mark.parametrize("target", [{}, {"target": None}, {"target": "user456"}])
def test_each_command_action(action: str, target: dict[str, str | None]) -> None:
    message = accepted(envelope("command", channel="room:1", payload={"action": action, **target}))
    assert message.payload == Command(action, target.get("target"))


def test_the_image_and_the_file_message() -> None:
    image = accepted(envelope("image", payload={"url": "https://example.com/a.png", "width": 1, "height": 1}))
    assert (image.payload.width, image.payload.height) == (1, 1)
    file = accepted(envelope("file", payload={"url": "https://example.com/a", "size": 1, "mimeType": "text/plain"}))
    assert file.payload.mime_type == "text/plain"


def test_free_metadata() -> None:
    message = accepted(envelope("text", payload={"content": "Hi"}, metadata={"type": "chat"}))
    assert message.metadata == {"type": "chat"}


def test_the_restore_session_message_as_published() -> None:
    message = accepted({"type": "restore_session", "sessionId": "s", "connectionId": "c"})
    assert isinstance(message, RestoreSessionMessage)
    assert (message.session_id, message.connection_id) == ("s", "c")


def test_a_type_of_the_lessons_own_is_the_applications_to_register() -> None:
    with pytest.raises(BadMessage) as caught:
        WIRE.json.decode(json.dumps({"type": "important_command", "action": "update_settings"}))
    assert caught.value.code == "unknown_type"
