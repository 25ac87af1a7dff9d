"""How fast one peer may send: messages and bytes a second, and a burst of both."""

from __future__ import annotations

from hubbub.config import Settings
from hubbub.delivery.bucket import Bucket
from hubbub.hub.connection import Connection

_MESSAGES = 64
_BYTES = 64 * 1024
"""What may pass before the buckets are asked again: so a message costs two comparisons."""

_PATIENCE = 1.0
"""Seconds of debt after which a peer that goes on is closed; a hundred messages it may owe in any case."""

_FORGIVEN = 100


def unasked(settings: Settings) -> tuple[int, int]:
    """Messages and bytes that any peer may send before it needs a `Pace`."""
    messages = min(_MESSAGES, settings.message_rate * settings.rate_burst)
    size = min(_BYTES, settings.byte_rate * settings.rate_burst)
    return int(messages), int(size)


class Pace:
    """Made for a peer when it has sent more than passes unasked; most never do.

    Up to `messages` and `bytes`, as the connection counts them, nothing is to be asked.
    """

    __slots__ = ("_bytes_taken", "_max_debt", "_messages_taken", "bytes", "messages")

    def __init__(self, settings: Settings, began: float) -> None:
        """`began` is when the connection did, in the clock's seconds."""
        burst = settings.rate_burst
        self._messages_taken = Bucket(settings.message_rate, settings.message_rate * burst, began)
        self._bytes_taken = Bucket(settings.byte_rate, settings.byte_rate * burst, began)
        self._max_debt = max(_PATIENCE, _FORGIVEN / settings.message_rate)
        self.messages, self.bytes = unasked(settings)

    def check(self, connection: Connection, now: float) -> float:
        """Whether the last message may pass: 0, or for how many seconds the peer is to wait."""
        messages, size = connection.messages_in, connection.bytes_in
        messages_left = self._messages_taken.take(messages, now)
        bytes_left = self._bytes_taken.take(size, now)
        self.messages = messages + max(0, min(_MESSAGES, int(messages_left)))
        self.bytes = size + max(0, min(_BYTES, int(bytes_left)))
        if messages_left >= 0 and bytes_left >= 0:
            return 0.0
        return max(self._messages_taken.wait, self._bytes_taken.wait)

    def is_hopeless(self, wait: float) -> bool:
        """Whether a peer that is to wait so long was told often enough."""
        return wait > self._max_debt
