"""The newest operations of a document, in memory: what an operation made at an older revision is mapped over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from hubbub.collab.changes import ChangeSet
from hubbub.collab.records import Record, decode_record
from hubbub.collab.validation import read_changes

_MOST = 2048
_MOST_COST = 1024 * 1024
_FRESH_COST = 128 * 1024
"""Bytes of the newest edits that are at hand; of older ones there is only the record, until they are asked for."""
_COST = 200
"""Bytes that an operation takes besides its record and its sections."""
_SECTION_COST = 40
_MOST_UNITS = 2**53


class Edit(Struct, eq=False, gc=False):
    """An operation at its place in the log. `cost` is about what it takes in memory, in bytes.

    `width` is how many numbers its sections are: what mapping over it costs goes by that.
    """

    revision: int
    client_id: str
    data: bytes
    """The record, as it is in the log."""
    cost: int
    width: int
    _changes: ChangeSet | None
    _record: Record | None

    @property
    def changes(self) -> ChangeSet:
        if self._changes is None:
            self._changes = read_changes(self.record.operation, most=_MOST_UNITS)
        return self._changes

    @property
    def record(self) -> Record:
        if self._record is None:
            self._record = decode_record(self.data)
        return self._record


def read_edit(offset: int, data: bytes) -> Edit:
    """A record of the log, at this offset. It was checked when it was written."""
    record: Record = decode_record(data)
    return make_edit(offset, read_changes(record.operation, most=_MOST_UNITS), record, data)


def make_edit(revision: int, changes: ChangeSet, record: Record, data: bytes) -> Edit:
    cost = _COST + len(data) + _SECTION_COST * len(changes.texts)
    return Edit(revision, record.client_id, data, cost, len(changes.sections), changes, record)


class Window:
    """The edits after the revision `start`, in order. It is cut when there are twice as many as are wanted."""

    __slots__ = ("_cost", "_fresh", "_fresh_cost", "_most", "_most_cost", "edits", "start")

    def __init__(self, start: int, *, most: int = _MOST, most_cost: int = _MOST_COST) -> None:
        self.start = start
        self.edits: list[Edit] = []
        self._most = most
        self._most_cost = most_cost
        self._cost = 0
        # The place of the first edit that is at hand, and the cost from there on.
        self._fresh = 0
        self._fresh_cost = 0

    @property
    def end(self) -> int:
        """The revision after the last edit."""
        return self.edits[-1].revision if self.edits else self.start

    def add(self, edit: Edit) -> None:
        edits, cost = self.edits, edit.cost
        edits.append(edit)
        self._cost += cost
        fresh_cost = self._fresh_cost + cost
        while fresh_cost > _FRESH_COST:
            old = edits[self._fresh]
            if old is edit:
                break
            old._changes = old._record = None
            fresh_cost -= old.cost
            self._fresh += 1
        self._fresh_cost = fresh_cost
        if len(edits) > 2 * self._most or self._cost > 2 * self._most_cost:
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
        edits, cost = self.edits, self._cost
        place = 0
        while len(edits) - place > self._most or (cost > self._most_cost and place < len(edits) - 1):
            cost -= edits[place].cost
            place += 1
        if place:
            self._fresh_cost -= sum(edit.cost for edit in edits[self._fresh : place])
            self._fresh = max(0, self._fresh - place)
            self.start = edits[place - 1].revision
            del edits[:place]
            self._cost = cost


def _revision_of(edit: Edit) -> int:
    return edit.revision
