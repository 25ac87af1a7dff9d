"""What a refused upgrade says of when to come again (RFC 9110 section 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from hubbub.errors import ProtocolError, error_of

LONGEST = 300.0
"""Seconds that a client waits at most, whatever it is told: a mistyped header does not keep it away for a day."""


def refusal_of(status: int, headers: Mapping[str, str], url: str, now: float) -> ProtocolError | None:
    """The refusal as an error that says when to come again; None where the answer does not say that.

    `now` in seconds since 1970, for an answer that names a date.
    """
    after = _seconds(headers.get("Retry-After", "").strip(), now)
    if after is None:
        return None
    code = "rate_limited" if status == HTTPStatus.TOO_MANY_REQUESTS else "unavailable"
    milliseconds = int(min(max(0.0, after), LONGEST) * 1000)
    return error_of(code, f"no WebSocket at {url} now: {int(status)}", retry_after_ms=milliseconds)


def _seconds(text: str, now: float) -> float | None:
    """From a number of seconds, or a date."""
    if text.isascii() and text.isdigit():
        # More digits than there is time.
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now
