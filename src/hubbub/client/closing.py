"""Whether and when to come back after a connection ended (docs/protocol.md section 6)."""

from __future__ import annotations

from typing import Literal

from hubbub.delivery.backoff import Backoff
from hubbub.errors import BadMessage, ConnectionClosed, Denied, ProtocolError

_FINAL = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 4409})
"""Close codes after which there is nothing to come back for. One that the protocol does not name is met with
patience: the backoff bounds what that costs."""

_UNAUTHORIZED = 4401

_DELAYED = frozenset({1013, 4429})
"""Close codes before which an error may have said how long to wait."""

Verdict = float | Literal["closed", "gave_up"]


class Comeback:
    """Decides, after every end, from the end itself and how often coming back has failed."""

    def __init__(self, backoff: Backoff, *, max_attempts: int | None, is_token_renewable: bool) -> None:
        self._backoff = backoff
        self._max_attempts = max_attempts
        self._is_token_renewable = is_token_renewable
        self._was_refused = False

    @property
    def attempt(self) -> int:
        """Which attempt in a row the next one is; 0 before the first connection and after a success."""
        return self._backoff.attempts

    def succeeded(self) -> None:
        """The server said welcome."""
        self._backoff.reset()
        self._was_refused = False

    def after(self, reason: Exception, retry_after_ms: int | None = None) -> Verdict:
        """The delay in seconds before the next attempt, beyond what the server asked for; or why there is none.

        What it asks for it asks of everybody whom it refuses at that moment: they do not come back together either.
        `retry_after_ms` is what the last error asked for over the connection that ended.
        """
        if self._is_final(reason):
            return "closed"
        if self._max_attempts is not None and self._backoff.attempts >= self._max_attempts:
            return "gave_up"
        if isinstance(reason, ProtocolError):
            retry_after_ms = reason.retry_after_ms
        elif not isinstance(reason, ConnectionClosed) or reason.code not in _DELAYED:
            retry_after_ms = None
        return self._backoff.next() + (retry_after_ms or 0) / 1000

    def _is_final(self, reason: Exception) -> bool:
        if isinstance(reason, Denied) or (isinstance(reason, ConnectionClosed) and reason.code == _UNAUTHORIZED):
            # A new token may be better, but not for ever.
            is_hopeless = self._was_refused or not self._is_token_renewable
            self._was_refused = True
            return is_hopeless
        if isinstance(reason, ConnectionClosed):
            return reason.code in _FINAL
        return isinstance(reason, BadMessage)
