"""What a client tells the program that uses it, beside messages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

log = logging.getLogger("hubbub.client")

Phase = Literal["connecting", "connected", "disconnected", "reconnecting", "closed", "gave_up"]

EVENTS = ("state", "presence", "system", "subscribed", "unsubscribed", "error", "gap", "gave_up", "close")


class ConnectionState(Struct, frozen=True):
    """Where a client stands.

    `connecting` (`attempt`: 0 for the first, then the reconnect's number) → `connected` (`resumed`: whether the
    session is the one from before) → `disconnected` (`reason`) → `reconnecting` (`attempt` follows in `delay`
    seconds) → `connecting` … It ends with `closed`, or with `gave_up` after the last attempt allowed.
    """

    phase: Phase
    resumed: bool = False
    attempt: int = 0
    delay: float = 0.0
    reason: Exception | None = None


class Events:
    """Callbacks by event."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[[Any], None]]] = {}

    def on(self, event: str, callback: Callable[[Any], None]) -> Callable[[], None]:
        """Adds a callback; what is returned takes it away again. Raises `ValueError` for an unknown event."""
        if event not in EVENTS:
            raise ValueError(f"{event!r}: events are {', '.join(EVENTS)}")
        callbacks = self._callbacks.setdefault(event, [])
        callbacks.append(callback)

        def remove() -> None:
            if callback in callbacks:
                callbacks.remove(callback)

        return remove

    def tell(self, event: str, value: object) -> None:
        """Calls all of an event's callbacks. One that fails harms nobody else."""
        for callback in list(self._callbacks.get(event, ())):
            try:
                callback(value)
            except Exception:
                log.exception("a callback of %s failed", event)
