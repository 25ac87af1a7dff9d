"""What a document tells the program that edits it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

from hubbub import HubbubError, ProtocolError
from hubbub.collab.changes import ChangeSet

log = logging.getLogger("hubbub.collab")

Phase = Literal["opening", "saved", "saving", "offline", "closed"]
Event = Literal["change", "status", "cursors", "merged", "rejected"]


class Status(Struct, frozen=True):
    """Where a document stands: `pending` edits are not known to be in its log. `error` says why it was closed."""

    phase: Phase
    pending: int = 0
    error: HubbubError | None = None


class Rejected(Struct, frozen=True):
    """Edits that the server will never take: changes of the text that was confirmed, and why not."""

    changes: ChangeSet
    error: ProtocolError


class Callbacks:
    """Who is called for which event. One that fails is logged, and the others are called all the same."""

    def __init__(self, id: str) -> None:
        """`id` is the document's, for the log."""
        self._id = id
        self._callbacks: dict[str, list[Callable[[Any], None]]] = {}

    def add(self, event: Event, callback: Callable[[Any], None]) -> Callable[[], None]:
        """What is returned takes it away again."""
        callbacks = self._callbacks.setdefault(event, [])
        callbacks.append(callback)
        return lambda: callbacks.remove(callback) if callback in callbacks else None

    def tell(self, event: Event, value: object) -> None:
        for callback in list(self._callbacks.get(event, ())):
            try:
                callback(value)
            except Exception:
                log.exception("a callback of %s of document %s failed", event, self._id)
