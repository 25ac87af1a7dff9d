"""A text as its author edits it, while others do: undo, places that move along. It knows no connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from hubbub import HubbubError
from hubbub.collab.caret import Caret
from hubbub.collab.changes import ChangeSet
from hubbub.collab.events import Callbacks
from hubbub.collab.pointers import Pointer, Pointers
from hubbub.collab.replica import Replica
from hubbub.collab.undo import Cut, UndoStack


class EditedText(ABC):
    """What a `Document` is beside its conversation with the server: `_go_on` and `_send_cursor` are that."""

    def __init__(self, author: str, callbacks: Callbacks) -> None:
        self._replica = Replica(self._others_edited)
        self._replica.client_id = author
        self._undo = UndoStack()
        self._pointers = Pointers(self._replica)
        self._caret = Caret(self._send_cursor)
        self._callbacks = callbacks

    @property
    def text(self) -> str:
        """What the author sees: what is confirmed, and one's own edits since."""
        return str(self._replica.text)

    @property
    def revision(self) -> int:
        """The last revision that arrived."""
        return self._replica.revision

    @property
    def client_id(self) -> str:
        """Which author this is."""
        return self._replica.client_id

    @property
    def pointers(self) -> dict[str, Pointer]:
        """Where the others are, by client id, in UTF-16 units of the text."""
        return self._pointers.all()

    # --- Editing ---------------------------------------------------------------------------------------

    def insert(self, at: int, text: str) -> None:
        """Inserts a text before the character at an index; line breaks of all kinds become `\\n`."""
        self.replace(at, at, text)

    def delete(self, start: int, end: int) -> None:
        self.replace(start, end, "")

    def replace(self, start: int, end: int, text: str) -> None:
        """Replaces the characters from one index to another. Raises `ValueError` for what is not in the text."""
        known = self.text
        if not 0 <= start <= end <= len(known):
            raise ValueError(f"{start} to {end} is not within {len(known)} characters")
        place = _units(known[:start])
        self.splice(place, _units(known[start:end]), text)

    def splice(self, position: int, deleted: int, text: str) -> None:
        """The same in UTF-16 units, which costs no look at the whole text. Pairs must not be cut."""
        normal = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        if deleted or normal:
            self.edit(ChangeSet.replace(self._replica.text.length, position, deleted, normal))

    def edit(self, changes: ChangeSet) -> None:
        """Any change of the text. Raises `ValueError` for one of another text, `HubbubError` when it is closed."""
        if (error := self._why_closed()) is not None:
            raise error
        if changes.empty:
            return
        text = self._replica.text
        if any(text.splits(old) or text.splits(old + deleted) for old, _, deleted, _ in changes.edits()):
            raise ValueError("the change cuts a surrogate pair")
        self._undo.edited(changes, text.cut)
        self._apply(changes)

    def undo(self) -> bool:
        """Takes the author's own last edit back, whatever others did since. False when there is none."""
        return self._again(self._undo.undo)

    def redo(self) -> bool:
        """Does again what was taken back last."""
        return self._again(self._undo.redo)

    def point(self, anchor: int, head: int | None = None) -> None:
        """Shows the others where the author is: an index, or a selection between two. It moves with the text."""
        known = self.text
        units = [
            _units(known[: min(max(0, place), len(known))]) for place in (anchor, anchor if head is None else head)
        ]
        self._caret.place(units[0], units[1])

    # --- What the conversation is for --------------------------------------------------------------------

    @abstractmethod
    def _why_closed(self) -> HubbubError | None:
        """Why nothing can be edited any more; None while it can."""

    @abstractmethod
    def _go_on(self) -> None:
        """There may be something to send."""

    @abstractmethod
    def _send_cursor(self) -> None:
        """The caret is to be shown to the others."""

    # --- Inside ----------------------------------------------------------------------------------------

    def _apply(self, changes: ChangeSet) -> None:
        self._replica.edit(changes)
        self._move_places(changes, self.client_id)
        self._go_on()

    def _again(self, take: Callable[[Cut], ChangeSet | None]) -> bool:
        changes = None if self._why_closed() is not None else take(self._replica.text.cut)
        if changes is None:
            return False
        self._apply(changes)
        return True

    def _others_edited(self, changes: ChangeSet, author: str) -> None:
        self._undo.others_edited(changes)
        self._move_places(changes, author)
        self._callbacks.tell("change", changes)

    def _move_places(self, changes: ChangeSet, author: str) -> None:
        self._pointers.moved(changes, author)
        self._caret.moved(changes, is_own=author == self.client_id)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
