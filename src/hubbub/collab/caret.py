"""Where the author is in a document, as others are to see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.collab.changes import ChangeSet
from hubbub.protocol.payloads import Selection

_DELAY = 0.05
"""Seconds that a move waits for others, so that typing is not as many messages as keys."""


class Caret:
    """The author's selection, in UTF-16 units of the text that they see. It moves with the text."""

    def __init__(self, show: Callable[[], None]) -> None:
        """`show` is called some time after it was to be shown, once for all that came meanwhile."""
        self._show = show
        self._timer: asyncio.TimerHandle | None = None
        self.selection: Selection | None = None
        """None until the author said where they are."""

    def place(self, anchor: int, head: int) -> None:
        self.selection = Selection(anchor, head)
        self.show_soon()

    def moved(self, changes: ChangeSet, *, is_own: bool) -> None:
        """The text changed. What the author inserts right there is before it, what others insert behind it."""
        if self.selection is not None:
            assoc = 1 if is_own else -1
            place = changes.map_position
            self.selection = Selection(place(self.selection.anchor, assoc), place(self.selection.head, assoc))

    def show_soon(self) -> None:
        if self.selection is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._fire)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._timer = None
        self._show()
