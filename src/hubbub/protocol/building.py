"""Making messages from what applications and clients have at hand: a payload, a text, a dict."""

from __future__ import annotations

from typing import Any

import msgspec

from hubbub.errors import BadMessage
from hubbub.protocol.messages import ApplicationMessage
from hubbub.protocol.payloads import Text
from hubbub.protocol.wire import Wire


def build_message(
    wire: Wire,
    payload: Any,
    *,
    type: str | None,
    channel: str | None,
    sender: str,
    timestamp: int,
    metadata: dict[str, Any] | None,
    message_id: str,
) -> ApplicationMessage:
    """The message, checked as one from a socket is.

    `payload` is a payload object, a text for short, or with `type` a dict. Raises `BadMessage`, naming the
    field, and `ConfigurationError` for a payload whose type nobody registered.
    """
    if isinstance(payload, str):
        payload = Text(content=payload)
    name = type or wire.catalog.type_of(payload)
    value: dict[str, Any] = {
        "type": name,
        "messageId": message_id,
        "timestamp": timestamp,
        "sender": sender,
    }
    if payload is not None:
        value["payload"] = _builtins(payload)
    if channel is not None:
        value["channel"] = channel
    if metadata is not None:
        value["metadata"] = metadata
    message = wire.json.convert(value)
    if not isinstance(message, ApplicationMessage):
        raise BadMessage("invalid_message", f"{name} is no type of an application", field="type")
    return message


def _builtins(payload: Any) -> Any:
    try:
        return msgspec.to_builtins(payload, str_keys=True)
    except (TypeError, ValueError) as error:
        raise BadMessage("invalid_message", str(error), field="payload") from None
