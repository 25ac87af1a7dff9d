"""Undo and redo of one author: what others do is not touched."""

from __future__ import annotations

from collections.abc import Callable

from hubbub.collab.changes import ChangeSet

_MOST = 100

Cut = Callable[[int, int], bytes]
"""Gives the units of the text before a change."""


class UndoStack:
    """What takes back one's own edits, each applicable when those above it were taken back.

    Others' changes are mapped through one by one, as they come.
    """

    def __init__(self) -> None:
        self._undo: list[ChangeSet] = []
        self._redo: list[ChangeSet] = []

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def edited(self, changes: ChangeSet, cut: Cut) -> None:
        """The author changed something; `cut` is of the text before."""
        self._undo.append(changes.invert_units(cut))
        del self._undo[:-_MOST]
        self._redo.clear()

    def others_edited(self, changes: ChangeSet) -> None:
        """Somebody else did."""
        self._undo = _mapped(self._undo, changes)
        self._redo = _mapped(self._redo, changes)

    def undo(self, cut: Cut) -> ChangeSet | None:
        """What to apply to take the last edit back; `cut` is of the text as it is now."""
        return _move(self._undo, self._redo, cut)

    def redo(self, cut: Cut) -> ChangeSet | None:
        """What to apply to do again what was taken back last."""
        return _move(self._redo, self._undo, cut)


def _move(source: list[ChangeSet], target: list[ChangeSet], cut: Cut) -> ChangeSet | None:
    """What others left nothing of is passed over."""
    while source:
        changes = source.pop()
        if not changes.empty:
            target.append(changes.invert_units(cut))
            return changes
    return None


def _mapped(stack: list[ChangeSet], changes: ChangeSet) -> list[ChangeSet]:
    mapped = []
    for one in reversed(stack):
        mapped.append(one.map(changes, True))
        changes = changes.map(one, False)
    mapped.reverse()
    return mapped
