"""An author's copy of a document: sans I/O, what a client does with operations of its own and of others.

One operation is in flight at a time, frozen as it was sent; what is edited meanwhile is composed into one buffer.
What others did is mapped over both, one operation of the log at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hubbub import BadMessage
from hubbub.collab.changes import ChangeSet
from hubbub.collab.merging import difference
from hubbub.collab.splitting import split
from hubbub.collab.texts import TextStore
from hubbub.collab.validation import read_changes
from hubbub.protocol.payloads import Entry

_MOST_UNITS = 2**53


class Flight:
    """The operation in flight: as it was sent, and as it applies to what is confirmed by now."""

    __slots__ = ("changes", "edits", "mapped", "revision", "seq")

    def __init__(self, changes: ChangeSet, revision: int, seq: int, edits: int) -> None:
        self.changes = changes
        self.mapped = changes
        self.revision = revision
        self.seq = seq
        self.edits = edits


class Replica:
    """`text` is what the author sees, `confirmed` what the log has at `revision`; between them flight and buffer."""

    def __init__(self, changed: Callable[[ChangeSet, str], None]) -> None:
        """`changed` is told of every change of the text that the author did not make, right after it.

        And whose it is, by client id; of a merge that is nobody's.
        """
        self._changed = changed
        self.client_id = ""
        self.epoch = ""
        self.revision = 0
        self.text = TextStore()
        self.confirmed = TextStore()
        self.flight: Flight | None = None
        self.buffer: ChangeSet | None = None
        self.buffered = 0
        """Edits in the buffer."""
        self._seq = 0

    @property
    def pending(self) -> int:
        """Edits that the log is not known to have."""
        return self.buffered + (0 if self.flight is None else self.flight.edits)

    def edit(self, changes: ChangeSet) -> None:
        """The author changes the text. Raises `ValueError` for changes of another one."""
        if changes.length != self.text.length:
            raise ValueError(f"changes for {changes.length} units of a text that has {self.text.length}")
        _apply(self.text, changes)
        self.buffer = changes if self.buffer is None else self.buffer.compose(changes)
        self.buffered += 1

    def depart(self) -> Flight | None:
        """The next operation to send, if none is in flight and there is any."""
        if self.flight is not None or self.buffer is None:
            return None
        first, rest = split(self.buffer)
        self._seq += 1
        edits = self.buffered if rest is None else 0
        self.flight = Flight(first, self.revision, self._seq, edits)
        self.buffer = rest
        self.buffered -= edits
        return self.flight

    def receive(self, entries: Sequence[Entry]) -> bool:
        """What the log has. Returns whether the operation in flight arrived.

        Raises `BadMessage` for what cannot be: then the document is to be opened anew.
        """
        arrived = False
        for entry in entries:
            if entry.revision <= self.revision:
                continue
            if entry.client_id != self.client_id:
                changes = read_changes(entry.operation, self.confirmed.length, most=_MOST_UNITS)
                self._take(changes, entry.client_id)
            elif self.flight is not None and entry.seq == self.flight.seq:
                _apply(self.confirmed, self.flight.mapped)
                self.flight = None
                arrived = True
            else:
                raise BadMessage("invalid_message", "an operation of one's own that is not in flight", field="seq")
            self.revision = entry.revision
        return arrived

    def begin(self, client_id: str, seq: int) -> None:
        """Which author this is, and the last operation that the document has of it."""
        self.client_id = client_id
        self._seq = max(self._seq, seq)

    def reset(self, text: str, epoch: str, revision: int, seq: int) -> bool:
        """The document is this now, and nobody says how it came to be.

        Edits that it does not have are brought over by comparing it with the text they were made on. `seq` is the
        last operation that it has of this author. Returns whether there were any.
        """
        base, pending = str(self.confirmed), self._unknown(seq)
        if self.flight is not None and seq >= self.flight.seq:
            base = self.flight.mapped.apply(base)
        before = str(self.text)
        edits = self.pending
        had_text = bool(self.epoch)
        self.confirmed, self.text = TextStore(text), TextStore(text)
        self.epoch, self.revision, self.flight, self.buffer = epoch, revision, None, None
        self.buffered = 0
        if pending is not None:
            merged = pending.map(difference(base, text), True)
            if not merged.empty:
                _apply(self.text, merged)
                self.buffer, self.buffered = merged, edits
        now = str(self.text)
        if had_text or now:
            self._changed(difference(before, now), "")
        return pending is not None

    def to_confirmed(self, position: int) -> int:
        """Where a position of the text is in what is confirmed."""
        for changes in (self.buffer, self.flight.mapped if self.flight is not None else None):
            if changes is not None:
                position = _without_texts(changes).map_position(position)
        return position

    def to_text(self, position: int) -> int:
        """Where a position of what is confirmed is in the text."""
        for changes in (self.flight.mapped if self.flight is not None else None, self.buffer):
            if changes is not None:
                position = changes.map_position(min(position, changes.length))
        return position

    def take_aside(self) -> ChangeSet | None:
        """Gives up what is pending, and returns it: changes of the confirmed text."""
        pending = self._unknown(-1)
        self.flight = self.buffer = None
        self.buffered = 0
        before = str(self.text)
        self.text = TextStore(str(self.confirmed))
        if pending is not None:
            self._changed(difference(before, str(self.text)), "")
        return pending

    def _take(self, changes: ChangeSet, client_id: str) -> None:
        """Somebody else's operation is next in the log."""
        mine = self.client_id
        _apply(self.confirmed, changes)
        flight, buffer = self.flight, self.buffer
        if flight is not None:
            mapped = flight.mapped.map(changes, mine < client_id)
            changes = changes.map(flight.mapped, client_id < mine)
            flight.mapped = mapped
        if buffer is not None:
            self.buffer = buffer.map(changes, mine < client_id)
            changes = changes.map(buffer, client_id < mine)
        _apply(self.text, changes)
        self._changed(changes, client_id)

    def _unknown(self, seq: int) -> ChangeSet | None:
        """What is pending beyond the operation with this number: changes of the text that it left."""
        flight = self.flight
        if flight is None or seq >= flight.seq:
            return self.buffer
        return flight.mapped if self.buffer is None else flight.mapped.compose(self.buffer)


def _apply(text: TextStore, changes: ChangeSet) -> None:
    for _, place, deleted, inserted in changes.edits():
        text.splice(place, deleted, inserted)


def _without_texts(changes: ChangeSet) -> ChangeSet:
    """What takes the changes back, as far as places go: its texts are missing."""
    return changes.invert_units(lambda start, end: b"")
