"""One document in memory, where it is edited: its text, its newest operations, and those on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from hubbub import BadMessage, ProtocolError, TryLater
from hubbub.collab.authors import OWNER, Authors
from hubbub.collab.changes import ChangeSet
from hubbub.collab.records import Record, encode_record
from hubbub.collab.texts import TextStore
from hubbub.collab.validation import MOST_UNITS, check_pairs
from hubbub.collab.window import Edit, Window
from hubbub.ports import Append


class Submission:
    """An operation on its way into the log: as it was sent, and as far as it was mapped.

    `peer` is whoever is told when it is refused; `revision` the one that `changes` apply to.
    """

    __slots__ = (
        "changes",
        "client_id",
        "epoch",
        "is_checked",
        "message_id",
        "parts",
        "peer",
        "revision",
        "sent",
        "seq",
        "user",
    )

    def __init__(
        self,
        changes: ChangeSet,
        *,
        revision: int,
        client_id: str,
        seq: int,
        user: str,
        peer: Any = None,
        message_id: str | None = None,
        parts: list[Any] | None = None,
    ) -> None:
        """`parts` are the JSON that the changes were read from, where it is at hand."""
        self.changes = changes
        self.revision = revision
        self.client_id = client_id
        self.seq = seq
        self.user = user
        self.peer = peer
        self.message_id = message_id
        self.sent = (changes, revision)
        self.parts = parts
        self.epoch = ""
        """Of the revision; set when it is taken."""
        self.is_checked = True
        """Whether it was made sure that it is for the document as it was then."""

    def to_json(self) -> list[Any]:
        """The changes, as they apply now."""
        is_as_sent = self.parts is not None and self.changes is self.sent[0]
        return self.parts if is_as_sent else self.changes.to_json()  # type: ignore[return-value]

    def begin_again(self) -> None:
        """As it was sent."""
        self.changes, self.revision = self.sent


class Readers(Protocol):
    """Who is told what becomes of a document."""

    def __len__(self) -> int: ...
    def committed(self, edits: list[Edit]) -> None: ...
    def repeated(self, submission: Submission, revision: int) -> None: ...
    def refused(self, submission: Submission, error: ProtocolError) -> None: ...
    def outdated(self, submission: Submission) -> None: ...
    def settled(self) -> None: ...
    def reloaded(self, *, is_new: bool) -> None: ...
    def closed(self) -> None: ...


class Loaded:
    """What was read of a document."""

    __slots__ = ("authors", "epoch", "revision", "saved", "text", "window")

    def __init__(self, epoch: str, revision: int, text: TextStore, authors: Authors, window: Window) -> None:
        self.epoch = epoch
        self.revision = revision
        self.text = text
        self.authors = authors
        self.window = window
        self.saved = 0
        """The revision of its last snapshot."""

    def apply(self, revision: int, changes: ChangeSet, record: Record) -> None:
        """The next record of the log."""
        for _, place, deleted, inserted in changes.edits():
            self.text.splice(place, deleted, inserted)
        self.window.add(Edit(revision, changes, record))
        self.authors.note(record.client_id, record.user, record.seq, revision)
        self.revision = revision


class LiveDocument:
    """Whoever has it is the one place where the document's operations get their order.

    `revision` is the last one that was given out, `durable` the last one that is in the log. The text and the
    window are those of `revision`: nobody outside sees them while something is `pending`.
    """

    def __init__(self, id: str, loaded: Loaded, readers: Readers, *, most_units: int) -> None:
        self.id = id
        self.log = f"doc:{id}"
        self.readers = readers
        self.queue: deque[Submission] = deque()
        self.pending: list[tuple[Submission, Edit]] = []
        self.late = 0
        """Operations that are mapped over so many others that it takes several turns."""
        self.is_reloading = False
        self.is_saving = False
        self.used = 0.0
        """When somebody last had to do with it."""
        self._most_units = most_units
        self.assume(loaded)

    def assume(self, loaded: Loaded) -> None:
        """It is as it was read."""
        self.epoch = loaded.epoch
        self.revision = self.durable = loaded.revision
        self.text = loaded.text
        self.authors = loaded.authors
        self.window = loaded.window
        self.saved = loaded.saved
        self.unsaved = 0 if loaded.saved == loaded.revision else len(loaded.window.edits)
        """Operations since the last snapshot, as far as is known."""
        self.unsaved_since: float | None = None

    @property
    def owner(self) -> str:
        """The node that its log names as its owner; empty for none, as of one that was never shared."""
        author = self.authors.find(OWNER)
        return "" if author is None else author.user

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self.queue or self.pending or self.late or self.is_reloading or self.is_saving)

    def check(self, submission: Submission) -> None:
        """Raises `BadMessage` for an operation that is from the future, or not for the document as it was then.

        How long it was is known of what is in the window; of what is older it is checked when that is read.
        """
        if submission.revision > self.durable:
            raise BadMessage("invalid_message", f"the document is at {self.durable}", field="payload.revision")
        if submission.revision < self.window.start:
            return
        length = self.window.length_at(submission.revision)
        check_length(submission.changes, self.text.length if length is None else length)

    def check_forwarded(self, submission: Submission) -> None:
        """As `check`, of one that another node sent: it may know the log further than it is known here."""
        if submission.revision > self.durable:
            raise TryLater("unavailable", "the document is behind", retry_after_ms=100)
        self.check(submission)

    def cost(self, submission: Submission) -> int:
        """How much there is to map over, in sections."""
        return map_cost(submission.changes, self.window.after(submission.revision))

    def rebase(self, submission: Submission, budget: int | None = None) -> None:
        """Maps over what came since, one by one in the log's order, and stops where the budget (sections) ends."""
        rebase(submission, self.window.after(submission.revision), budget)

    def accept(self, submission: Submission, timestamp: int) -> Append:
        """Applies one that is rebased, and gives what is to be appended. Raises `BadMessage`; nothing changed then."""
        changes, text = submission.changes, self.text
        assert submission.revision == self.revision
        check_length(changes, text.length)
        edits = list(changes.edits())
        check_pairs(edits, text)
        if text.length > self._most_units - MOST_UNITS and changes.new_length > max(self._most_units, text.length):
            reason = f"a document has at most {self._most_units} UTF-16 units"
            raise BadMessage("too_large", reason, field="payload.operation")
        for _, place, deleted, inserted in edits:
            text.splice(place, deleted, inserted)
        record = Record(submission.to_json(), submission.client_id, submission.seq, submission.user, timestamp)
        expected = self.revision
        edit = Edit(expected + 1, changes, record)
        self.window.add(edit)
        self.authors.note(submission.client_id, submission.user, submission.seq, edit.revision)
        self.revision = edit.revision
        self.pending.append((submission, edit))
        return Append(self.log, encode_record(record), expected=expected)

    def commit(self, edit: Edit, offset: int) -> None:
        """It is in the log, there."""
        if offset != edit.revision:
            # Offsets have holes. What was to follow it is refused, and the document read again.
            edit.revision = self.revision = offset
            self.authors.note(edit.client_id, edit.record.user, edit.record.seq, offset)
        self.durable = offset

    def follow(self, edit: Edit) -> None:
        """Another node's, which is next in the log. Nothing may be pending."""
        for _, place, deleted, inserted in edit.changes.edits():
            self.text.splice(place, deleted, inserted)
        self.window.add(edit)
        record = edit.record
        self.authors.note(record.client_id, record.user, record.seq, edit.revision)
        self.revision = self.durable = edit.revision


def map_cost(changes: ChangeSet, edits: Sequence[Edit]) -> int:
    """How much it is to map over these, in sections."""
    return len(edits) * len(changes.sections) + sum(len(edit.changes.sections) for edit in edits)


def rebase(submission: Submission, edits: Sequence[Edit], budget: int | None = None) -> None:
    """Maps over these edits, which come next after its revision, one by one; stops where the budget (sections) ends."""
    changes = submission.changes
    for edit in edits:
        if budget is not None:
            if budget <= 0:
                break
            budget -= len(changes.sections) + len(edit.changes.sections)
        changes = map_over(changes, submission.client_id, edit.changes, edit.client_id)
        submission.revision = edit.revision
    submission.changes = changes


def map_over(changes: ChangeSet, client_id: str, other: ChangeSet, other_id: str) -> ChangeSet:
    """The changes of one author as they apply after those of another: of two inserts at one place the smaller id's
    comes first."""
    return changes.map(other, client_id < other_id)


def check_length(changes: ChangeSet, length: int) -> None:
    """Raises `BadMessage` for changes to a document of another length."""
    if changes.length != length:
        reason = f"is for {changes.length} units, and the document has {length} at that revision"
        raise BadMessage("invalid_message", reason, field="payload.operation")
