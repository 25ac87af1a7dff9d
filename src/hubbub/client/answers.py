"""What the server's answers say."""

from __future__ import annotations

from msgspec import UNSET

from hubbub.errors import ProtocolError, error_of
from hubbub.protocol.messages import ErrorMessage


def error_from(message: ErrorMessage) -> ProtocolError:
    """The error that an `error` message stands for."""
    details = message.payload
    field = None if details is UNSET or details.field is UNSET else details.field
    retry_after_ms = None if details is UNSET or details.retry_after_ms is UNSET else details.retry_after_ms
    id = None if message.message_id is UNSET else message.message_id
    return error_of(message.code, message.reason, message_id=id, field=field, retry_after_ms=retry_after_ms)
