"""Where the other authors are, as one of them sees it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType

from hubbub.collab.changes import ChangeSet
from hubbub.collab.replica import Replica
from hubbub.protocol.messages import CursorMessage
from hubbub.protocol.payloads import PlacedCursor, Selection


class Pointer(Struct, frozen=True):
    """Somebody's cursor or selection, in UTF-16 units of the text; `head` is the end that moves."""

    user: str
    name: str
    colour: str
    anchor: int
    head: int


class Pointers:
    """By client id. They move with the text, until their author says better."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._pointers: dict[str, Pointer] = {}

    def all(self) -> dict[str, Pointer]:
        return dict(self._pointers)

    def clear(self) -> None:
        """They are shown anew."""
        self._pointers.clear()

    def begin(self, placed: Sequence[PlacedCursor]) -> None:
        """Those that are there when the document is opened."""
        self._pointers.clear()
        for one in placed:
            self._place(one.client_id, one.user, one.cursor, one.name, one.colour)

    def take(self, message: CursorMessage) -> bool:
        """Somebody moved, or left. Returns whether anything changed."""
        client_id, cursor = message.client_id, message.payload
        if client_id is UNSET or client_id == self._replica.client_id:
            return False
        if cursor.cursor is None:
            return self._pointers.pop(client_id, None) is not None
        if cursor.revision != self._replica.revision:
            # It is of a text that is not here; the next one will be.
            return False
        user = "" if message.sender is UNSET else message.sender
        self._place(client_id, user, cursor.cursor, cursor.name, cursor.colour)
        return True

    def moved(self, changes: ChangeSet, author: str) -> None:
        """The text changed. Its author's pointer goes along with what they write."""
        for client_id, one in self._pointers.items():
            assoc = 1 if client_id == author else -1
            anchor, head = changes.map_position(one.anchor, assoc), changes.map_position(one.head, assoc)
            if (anchor, head) != (one.anchor, one.head):
                self._pointers[client_id] = Pointer(one.user, one.name, one.colour, anchor, head)

    def _place(
        self, client_id: str, user: str, selection: Selection, name: str | UnsetType, colour: str | UnsetType
    ) -> None:
        to_text, most = self._replica.to_text, self._replica.confirmed.length
        anchor, head = to_text(min(selection.anchor, most)), to_text(min(selection.head, most))
        shown = user if name is UNSET else name
        self._pointers[client_id] = Pointer(user, shown, "" if colour is UNSET else colour, anchor, head)
