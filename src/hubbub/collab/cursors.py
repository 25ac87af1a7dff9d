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
_PATIENCE = 1.0
"""Seconds that a cursor of another node waits for the revision that it was made at."""
_AGAIN = 15.0
"""Seconds after which other nodes are told again where everybody is."""
_MISSED = 40.0
"""Seconds after which a cursor that its node says nothing of is gone."""

Tell = Callable[[str, str, Cursor], None]
"""Tells other nodes of an author's cursor: client id, user, where it is."""


class Placed:
    """A cursor as it was said, at which revision, and whose it is. `heard` is when another node said so last."""

    __slots__ = ("colour", "heard", "name", "revision", "selection", "user")

    def __init__(
        self, user: User, cursor: Cursor, selection: Selection, revision: int, heard: float | None = None
    ) -> None:
        self.user = user
        self.heard = heard
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
        self._moved: dict[str, tuple[User, bool]] = {}
        """Who is to be shown, and whether they are here."""
        self._ahead: dict[str, tuple[str, Cursor, float]] = {}
        """Cursors of other nodes at revisions that are not here yet, and when they came."""
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None
        self.tell: Tell | None = None
        """Set where there are other nodes."""

    def place(self, reader: Reader, cursor: Cursor) -> None:
        """The reader says where it is. What is outside the text, or from the future, is moved to where it can be."""
        self._ahead.pop(reader.client_id, None)
        if not self._put(reader.client_id, reader.peer.user, cursor, None):
            self.remove(reader.client_id)

    def take(self, client_id: str, user: str, cursor: Cursor) -> None:
        """Another node says where somebody is, who is not here."""
        known = self._placed.get(client_id)
        if cursor.cursor is None:
            self._ahead.pop(client_id, None)
            if known is not None and known.heard is not None:
                self._drop(client_id, known)
        elif cursor.revision > self._document.durable:
            self._ahead[client_id] = user, cursor, self._now()
            self._wake()
        else:
            self._put(client_id, User(user), cursor, self._now())

    def tell_all(self) -> None:
        """Other nodes are told of everybody who is here."""
        for client_id, placed in list(self._placed.items()):
            if placed.heard is None:
                self._show(client_id, placed.user, is_here=True)

    def stop(self) -> None:
        """Nothing is shown any more."""
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()

    def remove(self, client_id: str) -> None:
        """The author has left; the others are told."""
        placed = self._placed.get(client_id)
        if placed is not None:
            self._drop(client_id, placed)

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

    def _put(self, client_id: str, user: User, cursor: Cursor, heard: float | None) -> bool:
        """Places it within the text. False for one that is too old to be placed, or says that its author has left."""
        document = self._document
        if cursor.cursor is None or cursor.revision < document.window.start:
            return False
        revision = min(cursor.revision, document.durable)
        length = document.window.length_at(revision)
        most = document.text.length if length is None else length
        selection = Selection(min(cursor.cursor.anchor, most), min(cursor.cursor.head, most))
        self._placed[client_id] = Placed(user, cursor, selection, revision, heard)
        self._show(client_id, user, is_here=heard is None)
        return True

    def _drop(self, client_id: str, placed: Placed) -> None:
        del self._placed[client_id]
        self._show(client_id, placed.user, is_here=placed.heard is None)

    def _show(self, client_id: str, user: User, *, is_here: bool) -> None:
        self._moved[client_id] = user, is_here
        if self.tell is not None and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_AGAIN, self._look_after)
        self._wake()

    def _look_after(self) -> None:
        """Now and then, where there are other nodes: each may have missed something, or be gone."""
        self._again = None
        self.tell_all()
        before = self._now() - _MISSED
        for client_id, placed in list(self._placed.items()):
            if placed.heard is not None and placed.heard < before:
                self._drop(client_id, placed)
        if self._placed and self._again is None:
            self._again = asyncio.get_running_loop().call_later(_AGAIN, self._look_after)

    def _wake(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._document.pending or self._document.is_reloading:
            # Those who get it are to have the text that it is in.
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._flush)
            return
        self._place_ahead()
        moved, self._moved = self._moved, {}
        messages = {client_id: self._message(client_id, user) for client_id, (user, _) in moved.items()}
        if self.tell is not None:
            for client_id, (user, is_here) in moved.items():
                if is_here:
                    self.tell(client_id, user.name, messages[client_id].payload)
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

    def _place_ahead(self) -> None:
        """Those whose revision is here now, and those that waited for it long enough."""
        now = self._now()
        for client_id, (user, cursor, since) in list(self._ahead.items()):
            if cursor.revision <= self._document.durable or now - since >= _PATIENCE:
                del self._ahead[client_id]
                self._put(client_id, User(user), cursor, now)
        if self._ahead:
            self._timer = asyncio.get_running_loop().call_later(_DELAY, self._flush)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

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
