"""The newest operations of a document, in memory: what an operation made at an older revision is mapped over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from hubbub.collab.changes import ChangeSet
from hubbub.collab.records import Record

_MOST = 2048
_MOST_COST = 1024 * 1024
_COST = 200
"""Bytes that an operation takes besides its texts."""


class Edit(Struct, eq=False):
    """An operation at its place in the log."""

    revision: int
    changes: ChangeSet
    record: Record

    @property
    def client_id(self) -> str:
        return self.record.client_id


class Window:
    """The edits after the revision `start`, in order. It is cut when there are twice as many as are wanted."""

    def __init__(self, start: int, *, most: int = _MOST, most_cost: int = _MOST_COST) -> None:
        self.start = start
        self.edits: list[Edit] = []
        self._most = most
        self._most_cost = most_cost
        self._cost = 0

    @property
    def end(self) -> int:
        """The revision after the last edit."""
        return self.edits[-1].revision if self.edits else self.start

    def add(self, edit: Edit) -> None:
        self.edits.append(edit)
        self._cost += _cost_of(edit)
        if len(self.edits) > 2 * self._most or self._cost > 2 * self._most_cost:
            self._cut()

    def after(self, revision: int) -> Sequence[Edit]:
        """The edits after a revision that is `start` at least."""
        edits = self.edits
        if not edits or revision >= edits[-1].revision:
            return ()
        return edits[bisect_right(edits, revision, key=_revision_of) :]

    def length_at(self, revision: int) -> int | None:
        """How long the document was at a revision from `start` on; None for the last one, which is not known here."""
        edits = self.after(revision)
        return edits[0].changes.length if edits else None

    def _cut(self) -> None:
        cost = self._cost
        place = 0
        while len(self.edits) - place > self._most or (cost > self._most_cost and place < len(self.edits) - 1):
            cost -= _cost_of(self.edits[place])
            place += 1
        if place:
            self.start = self.edits[place - 1].revision
            del self.edits[:place]
            self._cost = cost


def _cost_of(edit: Edit) -> int:
    return _COST + 40 * len(edit.changes.texts) + sum(map(len, edit.changes.texts))


def _revision_of(edit: Edit) -> int:
    return edit.revision
