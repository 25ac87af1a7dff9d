"""The rules that types alone cannot state: what both codecs carry, ids, sizes (docs/protocol.md, 2)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from hubbub.errors import BadMessage
from hubbub.protocol import messages
from hubbub.protocol.limits import (
    MAX_CHUNK,
    MAX_DEPTH,
    MAX_METADATA,
    MAX_SAFE_INTEGER,
    UUID_PATTERN,
)

NO_SAFE_NUMBER: Final = "is no number within ±(2⁵³−1)"
TOO_DEEP: Final = f"is nested more than {MAX_DEPTH} levels deep"
_SURROGATE: Final = "has a lone surrogate"

_MAX_NAMED: Final = 128
"""Characters of a field's path or a reason in an answer: a peer's own keys can be as long as its message."""

_is_uuid = re.compile(UUID_PATTERN).match
_has_surrogate = re.compile(r"[\ud800-\udfff]").search
_to_json = msgspec.json.Encoder().encode

_BOUNDED: Final = frozenset((*messages.APPLICATION_MESSAGES, *messages.CONTROL_MESSAGES)) - {
    messages.HelloMessage,
    messages.WelcomeMessage,
    messages.PingMessage,
    messages.PongMessage,
}
"""Messages whose payload's fields all have bounds of their own, so that nothing in it has to be walked."""


def check(message: messages.Message) -> None:
    """Raises `BadMessage`, naming the field, for what a decoded message may not be.

    The whole message's depth is the business of `check_depth`, since fields that nobody reads count too.
    """
    message_id = message.message_id
    if message_id is not UNSET and not _is_uuid(message_id):
        raise BadMessage("invalid_message", "is no UUID", field="messageId")
    if message.metadata is not UNSET:
        check_metadata(message.metadata)
    kind = type(message)
    if message.payload is UNSET:
        return
    if kind not in _BOUNDED:
        check_carried(msgspec.to_builtins(message.payload, str_keys=True), "payload", 2)
    elif kind is messages.DataMessage:
        check_chunk(message.payload.chunk)


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises `BadMessage` for metadata that one of the codecs does not carry, or over 4 KiB (`too_large`).

    It is measured as compact JSON in both its forms: as it is, and with the values that are no strings as
    their JSON text, which is what a Protobuf client has and may send on.
    """
    check_carried(metadata, "metadata", 2)
    size = len(_to_json(metadata))
    if size <= MAX_METADATA and not all(isinstance(value, str) for value in metadata.values()):
        size = len(_to_json(as_strings(metadata)))
    if size > MAX_METADATA:
        raise BadMessage("too_large", f"is over {MAX_METADATA} bytes as JSON", field="metadata")


def as_strings(metadata: dict[str, Any]) -> dict[str, str]:
    """Metadata as Protobuf has it: what is no string stands as its JSON text."""
    return {key: value if isinstance(value, str) else _to_json(value).decode() for key, value in metadata.items()}


def check_chunk(chunk: str) -> None:
    """Raises `BadMessage` for base64, known to be well formed, that stands for more than 32 KiB."""
    if len(chunk) // 4 * 3 - chunk[-2:].count("=") > MAX_CHUNK:
        raise BadMessage("invalid_message", f"is over {MAX_CHUNK} bytes decoded", field="payload.chunk")


def check_carried(value: Any, field: str, level: int) -> None:
    """Raises `BadMessage` unless both codecs carry `value`, a tree of builtins.

    `field` is its path and `level` the level of nesting that it stands at (the envelope is 1).
    """
    if fault := _uncarried(value, level):
        path, reason = fault
        raise BadMessage("invalid_message", reason, field=printable(field + path))


def _uncarried(value: Any, level: int) -> tuple[str, str] | None:
    """The path below `value` of what is not carried, and why not. Without a fault no path is made."""
    if value is None or isinstance(value, bool | str):
        return None
    if isinstance(value, int | float):
        # A NaN fails this comparison too.
        return None if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else ("", NO_SAFE_NUMBER)
    if not isinstance(value, dict | list | tuple):
        return "", f"{type(value).__name__} is no JSON value"
    if level > MAX_DEPTH:
        return "", TOO_DEEP
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if fault := _uncarried(inner, level + 1):
            return _step(value, key) + fault[0], fault[1]
    return None


def check_depth(value: dict[str, Any]) -> None:
    """Raises `BadMessage` when a parsed message has a 17th level, also in fields that nobody reads."""
    path = _too_deep(value, 1)
    if path is not None:
        raise BadMessage("invalid_message", TOO_DEEP, field=printable(path[1:]))


def _too_deep(value: dict[str, Any] | list[Any], level: int) -> str | None:
    if level > MAX_DEPTH:
        return ""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list) and (path := _too_deep(inner, level + 1)) is not None:
            return _step(value, key) + path
    return None


def check_surrogates(value: Any, field: str = "") -> None:
    """Raises `BadMessage` for a string or key that is no Unicode text, as Python's own parser lets pass."""
    if isinstance(value, str) and _has_surrogate(value):
        raise BadMessage("invalid_message", _SURROGATE, field=printable(field.lstrip(".") or "message"))
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_surrogates(key, field + _step(value, key))
            check_surrogates(inner, field + _step(value, key))


def cannot_encode(message: messages.Message, error: Exception) -> BadMessage:
    """What to raise for a message of this side's own making that a codec could not encode."""
    if isinstance(error, UnicodeEncodeError):
        try:
            check_surrogates(msgspec.to_builtins(message, str_keys=True))
        except BadMessage as named:
            return named
    return BadMessage("invalid_message", printable(str(error)))


def _step(value: object, key: object) -> str:
    """How a path goes on to this key of a dict, or place in a list."""
    return f".{key}" if isinstance(value, dict) else f"[{key}]"


def printable(text: str) -> str:
    """The text as an answer may carry it, whatever the peer wrote: bounded, and encodable."""
    if len(text) > _MAX_NAMED:
        text = text[: _MAX_NAMED - 1] + "…"
    return text.encode("utf-8", "replace").decode()


def id_of(value: object) -> str | None:
    """The request's id for the answer, if it has one that can be an id."""
    return value if isinstance(value, str) and len(value) == 36 and _is_uuid(value) else None
