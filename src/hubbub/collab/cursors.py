"""Where everybody is in a document: coalesced, clamped, and shown to the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import UnsetType

from hubbub import User
from hubbub.collab.live import LiveDocument
from hubbub.protocol.messages import CursorMessage
from hubbub.protocol.payloads import Cursor, PlacedCursor, Selection

if TYPE_CHECKING:
    from hubbub.collab.audience import Reader

_DELAY = 0.05
"""Seconds for which cursors are collected before they are shown."""


class Placed:
    """A cursor as it was said, at which revision, and whose it is."""

    __slots__ = ("colour", "name", "revision", "selection", "user")

    def __init__(self, user: User, cursor: Cursor, selection: Selection, revision: int) -> None:
        self.user = user
        self.selection = selection
        self.revision = revision
        self.name: str | UnsetType = cursor.name
        self.colour: str | UnsetType = cursor.colour


class Cursors:
    """By client id. Ephemeral: who does not drain misses them."""

    def __init__(self, document: LiveDocument, live: Callable[[], list[Reader]]) -> None:
        """`live` gives the readers that have been sent everything there is."""
        self._document = document
        self._live = live
        self._placed: dict[str, Placed] = {}
        self._moved: dict[str, User] = {}
        self._timer: asyncio.TimerHandle | None = None

    def place(self, reader: Reader, cursor: Cursor) -> None:
        """The reader says where it is. What is outside the text, or from the future, is moved to where it can be."""
        document = self._document
        if cursor.cursor is None or cursor.revision < document.window.start:
            self.remove(reader.client_id)
            return
        revision = min(cursor.revision, document.durable)
        length = document.window.length_at(revision)
        most = document.text.length if length is None else length
        selection = Selection(min(cursor.cursor.anchor, most), min(cursor.cursor.head, most))
        self._placed[reader.client_id] = Placed(reader.peer.user, cursor, selection, revision)
        self._show(reader.client_id, reader.peer.user)

    def remove(self, client_id: str) -> None:
        """The author has left; the others are told."""
        placed = self._placed.pop(client_id, None)
        if placed is not None:
            self._show(client_id, placed.user)

    def placed(self, besides: str) -> list[PlacedCursor]:
        """All cursors but this author's, as they are in the document now."""
        found = []
        for client_id, placed in list(self._placed.items()):
            if client_id != besides:
                selection = self._mapped(client_id, placed)
                found.append(
                    PlacedCursor(
                        client_id, placed.user.name, selection, self._document.durable, placed.name, placed.colour
                    )
                )
        return found

    def show_all(self, reader: Reader) -> None:
        """Shows one reader, who has the text, where the others are."""
        for client_id, placed in list(self._placed.items()):
            if client_id != reader.client_id:
                reader.peer.send(self._message(client_id, placed.user))

    def _show(self, client_id: str, user: User) -> None:
        self._moved[client_id] = user
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._document.pending or self._document.is_reloading:
            # Those who get it are to have the text that it is in.
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._flush)
            return
        moved, self._moved = self._moved, {}
        messages = {client_id: self._message(client_id, user) for client_id, user in moved.items()}
        frames: dict[Any, dict[str, bytes]] = {}
        for reader in self._live():
            peer = reader.peer
            if not peer.is_ready:
                continue
            encoded = frames.get(peer.profile)
            if encoded is None:
                encoded = frames[peer.profile] = {id: peer.encode(one) for id, one in messages.items()}
            parts = [frame for id, frame in encoded.items() if id != reader.client_id]
            if parts:
                peer.push(b"".join(parts), len(parts))

    def _message(self, client_id: str, user: User) -> CursorMessage:
        placed = self._placed.get(client_id)
        if placed is None:
            payload = Cursor(None, self._document.durable)
        else:
            selection = self._mapped(client_id, placed)
            payload = Cursor(selection, self._document.durable, placed.name, placed.colour)
        return CursorMessage(channel=self._document.log, client_id=client_id, sender=user.name, payload=payload)

    def _mapped(self, client_id: str, placed: Placed) -> Selection:
        """Where the cursor is now. With the author's own text right there it goes after it, with others' it stays."""
        anchor, head = placed.selection.anchor, placed.selection.head
        if placed.revision < self._document.window.start:
            most = self._document.text.length
            anchor, head = min(anchor, most), min(head, most)
        for edit in self._document.window.after(placed.revision):
            assoc = 1 if edit.client_id == client_id else -1
            anchor = edit.changes.map_position(anchor, assoc)
            head = edit.changes.map_position(head, assoc)
        placed.selection = Selection(anchor, head)
        placed.revision = self._document.durable
        return placed.selection
