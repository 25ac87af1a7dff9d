"""One document in memory, where it is edited: its text, its newest operations, and those on their way."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from hubbub import BadMessage, ProtocolError, TryLater
from hubbub.collab.authors import OWNER, Authors
from hubbub.collab.changes import ChangeSet
from hubbub.collab.records import Record, encode_record
from hubbub.collab.texts import TextStore
from hubbub.collab.validation import MOST_UNITS, check_pairs, cut_pair
from hubbub.collab.window import Edit, Window, make_edit
from hubbub.ports import Append, Appended, Refused


class Submission(Struct, eq=False, kw_only=True):
    """An operation on its way into the log: as it was sent, and as far as it was mapped.

    `peer` is whoever is told when it is refused; `revision` the one that `changes` apply to, of the `epoch` that is
    set when it is taken. `parts` are the JSON that the changes were read from, as long as that is what they are.
    """

    changes: ChangeSet
    revision: int
    client_id: str
    seq: int
    user: str
    peer: Any = None
    message_id: str | None = None
    parts: list[Any] | None = None
    epoch: str = ""
    sent: tuple[ChangeSet, int, list[Any] | None] | None = None
    """Its changes, revision and parts before it was mapped."""
    is_checked: bool = True
    """Whether it was made sure that its revision is one that is known here."""

    def to_json(self) -> list[Any]:
        """The changes, as they apply now."""
        return self.changes.to_json() if self.parts is None else self.parts

    def move(self, changes: ChangeSet, revision: int) -> None:
        """It is mapped so far."""
        if self.sent is None:
            self.sent = (self.changes, self.revision, self.parts)
        if changes is not self.changes:
            self.changes = changes
            self.parts = None
        self.revision = revision

    def begin_again(self) -> None:
        """As it was sent."""
        if self.sent is not None:
            self.changes, self.revision, self.parts = self.sent


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

    def apply(self, edit: Edit) -> None:
        """The next record of the log."""
        _follow(self, edit)


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
        self.pending: list[Edit] = []
        """What is on its way into the log, and `submitted` what it was submitted as."""
        self.submitted: list[Submission] = []
        self.late = 0
        """Operations that are mapped over so many others that it takes several turns."""
        self.is_reloading = False
        self.is_saving = False
        self.used = 0.0
        """When somebody last had to do with it."""
        self._most_units = most_units
        self._roomy = most_units - MOST_UNITS
        """A text below this has room for any operation."""
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

    def check_forwarded(self, submission: Submission) -> None:
        """Of one that another node sent, which may know the log further than it is known here: raises `TryLater`."""
        if submission.revision > self.durable:
            raise TryLater("unavailable", "the document is behind", retry_after_ms=100)

    def cost(self, submission: Submission) -> int:
        """How much there is to map over, in sections."""
        return map_cost(submission.changes, self.window.after(submission.revision))

    def rebase(self, submission: Submission, budget: int | None = None) -> None:
        """Maps over what came since, one by one in the log's order, and stops where the budget (sections) ends.

        Raises `BadMessage` for changes that are not for the document as it was at their revision.
        """
        edits = self.window.after(submission.revision)
        if edits:
            check_length(submission.changes, edits[0].changes.length)
            rebase(submission, edits, budget)
        elif submission.revision > self.revision:
            raise from_the_future(self.durable)

    def accept(self, submission: Submission, timestamp: int) -> Append:
        """Applies one that is rebased, and gives what is to be appended. Raises `BadMessage`; nothing changed then."""
        changes, text = submission.changes, self.text
        sections = changes.sections
        if len(sections) == 6 and sections[1] < 0 and sections[5] < 0 and text.length < self._roomy:
            # One replacement, which is what nearly every key makes.
            place, deleted = sections[0], sections[2]
            if place + deleted + sections[4] != text.length:
                check_length(changes, text.length)
            if not text.replace(place, deleted, changes.texts[1]):
                raise cut_pair()
        else:
            self._apply(changes)
        client_id, seq, user = submission.client_id, submission.seq, submission.user
        record = Record(submission.to_json(), client_id, seq, user, timestamp)
        data = encode_record(record)
        expected = self.revision
        self.revision = revision = expected + 1
        edit = make_edit(revision, changes, record, data)
        self.window.add(edit)
        self.authors.note(client_id, user, seq, revision)
        self.submitted.append(submission)
        self.pending.append(edit)
        return Append(self.log, data, expected=expected)

    def _apply(self, changes: ChangeSet) -> None:
        text = self.text
        check_length(changes, text.length)
        edits = changes.edits()
        check_pairs(edits, text)
        if text.length > self._roomy and changes.new_length > max(self._most_units, text.length):
            reason = f"a document has at most {self._most_units} UTF-16 units"
            raise BadMessage("too_large", reason, field="payload.operation")
        for _, place, deleted, inserted in edits:
            text.splice(place, deleted, inserted)

    def settle(self, results: Sequence[Appended | Refused]) -> tuple[list[Edit], list[Submission]]:
        """What the log said to what is pending: the edits that it has, and the operations that it has not."""
        pending, submitted = self.pending, self.submitted
        self.pending, self.submitted = [], []
        epoch = self.epoch
        for place, result in enumerate(results):
            if isinstance(result, Refused) or result.epoch != epoch:
                return pending[:place], submitted[place:]
            edit = pending[place]
            if result.offset != edit.revision:
                self._moved(edit, result.offset)
            self.durable = result.offset
        return pending, []

    def _moved(self, edit: Edit, offset: int) -> None:
        """Offsets have holes. What was to follow this edit is refused, and the document read again."""
        edit.revision = self.revision = offset
        self.authors.note(edit.client_id, edit.record.user, edit.record.seq, offset)

    def follow(self, edit: Edit) -> None:
        """Another node's, which is next in the log. Nothing may be pending."""
        _follow(self, edit)
        self.durable = edit.revision


def _follow(document: Loaded | LiveDocument, edit: Edit) -> None:
    """What is in the log already is not checked again."""
    for _, place, deleted, inserted in edit.changes.edits():
        document.text.splice(place, deleted, inserted)
    document.window.add(edit)
    record = edit.record
    document.authors.note(record.client_id, record.user, record.seq, edit.revision)
    document.revision = edit.revision


def map_cost(changes: ChangeSet, edits: Sequence[Edit]) -> int:
    """How much it is to map over these, in sections."""
    return len(edits) * len(changes.sections) + sum(edit.width for edit in edits)


def rebase(submission: Submission, edits: Sequence[Edit], budget: int | None = None) -> None:
    """Maps over these edits, which come next after its revision, one by one; stops where the budget (sections) ends."""
    changes, revision = submission.changes, submission.revision
    for edit in edits:
        if budget is not None:
            if budget <= 0:
                break
            budget -= len(changes.sections) + edit.width
        changes = map_over(changes, submission.client_id, edit.changes, edit.client_id)
        revision = edit.revision
    submission.move(changes, revision)


def map_over(changes: ChangeSet, client_id: str, other: ChangeSet, other_id: str) -> ChangeSet:
    """The changes of one author as they apply after those of another: of two inserts at one place the smaller id's
    comes first."""
    return changes.map(other, client_id < other_id)


def from_the_future(revision: int) -> BadMessage:
    """What an operation made at a revision that there is not yet is refused with."""
    return BadMessage("invalid_message", f"the document is at {revision}", field="payload.revision")


def check_length(changes: ChangeSet, length: int) -> None:
    """Raises `BadMessage` for changes to a document of another length."""
    if changes.length != length:
        reason = f"is for {changes.length} units, and the document has {length} at that revision"
        raise BadMessage("invalid_message", reason, field="payload.operation")
