"""Who has a document open, and what they are sent: operations in the log's order, and each other's cursors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hubbub import Conflict, HubbubError, Participant, Position, ProtocolError
from hubbub.collab.authors import OWNER
from hubbub.collab.changes import TRANSFORM
from hubbub.collab.company import Company
from hubbub.collab.cursors import Cursors
from hubbub.collab.live import LiveDocument, Submission
from hubbub.collab.tasks import Tasks
from hubbub.collab.window import Edit
from hubbub.protocol.messages import InitMessage, JoinedMessage, OperationsMessage, UnsubscribedMessage
from hubbub.protocol.payloads import Cursor, DocumentState, Entry, Init, Opened, Operations

log = logging.getLogger("hubbub.collab")

Read = Callable[[int], Coroutine[Any, Any, Sequence[Edit]]]
"""Reads edits after a revision from the log, some of them. Raises `HubbubError` when they are gone."""

_STRETCH = 128
"""Operations in one frame to somebody who catches up."""
_JUST = 2.0
"""Seconds after its join for which an author is not taken for gone elsewhere."""


class Reader:
    """One session that has the document open. `sent` is the last revision that it was sent."""

    __slots__ = ("client_id", "is_fetching", "joining", "peer", "sent", "since")

    def __init__(self, peer: Participant, client_id: str, joining: Joining, since: float) -> None:
        """`since` is when it came, in the loop's seconds."""
        self.since = since
        self.peer = peer
        self.client_id = client_id
        self.sent = -1
        self.is_fetching = False
        """Whether what comes next for it is being read from the log."""
        self.joining: Joining | None = joining
        """What it asked for and has not got yet."""


class Joining:
    """A join: where its author was, and the request's id."""

    __slots__ = ("message_id", "position")

    def __init__(self, position: Position | None, message_id: str | None) -> None:
        self.position = position
        self.message_id = message_id


class Audience:
    """Implements `Readers`. A reader that does not drain is left out, and sent what it missed when it does."""

    def __init__(self, document: LiveDocument, read: Read, forget: Callable[[Audience], None]) -> None:
        self.document = document
        self._read = read
        self._forget = forget
        self.channel = document.log
        self.by_peer: dict[Participant, Reader] = {}
        self._by_client: dict[str, Reader] = {}
        self._told = document.durable
        """The revision that live readers have been sent."""
        self._waiting: list[Reader] = []
        """Those who joined while something was on its way."""
        self._tasks = Tasks()
        self.cursors = Cursors(document, self._live)
        self.company: Company | None = None
        """The other nodes that have the document, where there can be any."""

    def __len__(self) -> int:
        return len(self.by_peer)

    # --- Coming and going ------------------------------------------------------------------------------

    def join(self, peer: Participant, client_id: str, position: Position | None, message_id: str | None) -> None:
        """The peer is this author here from now on. Whoever was it before is put out: the newest counts."""
        other = self._by_client.get(client_id)
        if other is not None and other.peer is not peer:
            self._put_out(other)
        if self.company is not None:
            self.company.enter(client_id)
        mine = self.by_peer.get(peer)
        if mine is not None and mine.client_id != client_id:
            self.leave(peer)
        reader = Reader(peer, client_id, Joining(position, message_id), self._now())
        self.by_peer[peer] = self._by_client[client_id] = reader
        self._admit(reader)

    def _put_out(self, reader: Reader) -> None:
        self.leave(reader.peer)
        reader.peer.close(self.channel)
        reader.peer.send(UnsubscribedMessage(channel=self.channel))

    def leave(self, peer: Participant) -> None:
        """It has the document open no more, or its connection ended. Harmless when it has not."""
        reader = self.by_peer.pop(peer, None)
        if reader is not None:
            self._by_client.pop(reader.client_id, None)
            self.cursors.remove(reader.client_id)

    def require(self, peer: Participant) -> Reader:
        """Raises `Conflict` (`not_joined`)."""
        reader = self.by_peer.get(peer)
        if reader is None:
            raise Conflict("not_joined", "open the document first", field="channel")
        return reader

    def ready(self, peer: Participant) -> None:
        """Its socket drains again."""
        reader = self.by_peer.get(peer)
        if reader is not None and reader.joining is not None:
            self._admit(reader)
        elif reader is not None:
            self._feed(reader)

    # --- What the document tells -----------------------------------------------------------------------

    def committed(self, edits: list[Edit]) -> None:
        """These are in the log: everyone gets them, their authors as acknowledgements."""
        before, self._told = self._told, edits[-1].revision
        authors = {edit.client_id for edit in edits} - {OWNER}
        shared: dict[Any, bytes] = {}
        entries: list[Entry] | None = None
        for reader in self.by_peer.values():
            peer = reader.peer
            if reader.sent != before or reader.is_fetching or not peer.is_ready:
                continue
            reader.sent = self._told
            if not authors:
                continue
            if reader.client_id in authors:
                peer.send(self._operations(entries_for(edits, reader.client_id)))
                continue
            frame = shared.get(peer.profile)
            if frame is None:
                if entries is None:
                    entries = entries_for(edits, "")
                frame = shared[peer.profile] = peer.encode(self._operations(entries))
            peer.push(frame)

    def repeated(self, submission: Submission, revision: int) -> None:
        """It was had already: it is acknowledged again."""
        reader = self.by_peer.get(submission.peer)
        # Whoever has not been sent so much yet gets it in its turn.
        if reader is not None and reader.sent >= revision:
            entry = Entry(revision, submission.client_id, submission.seq)
            submission.peer.send(self._operations([entry]))

    def refused(self, submission: Submission, error: ProtocolError) -> None:
        error.message_id = submission.message_id
        submission.peer.refuse(error)

    def outdated(self, submission: Submission) -> None:
        """What it was made at is not there any more: its author merges, from a fresh `init`."""
        error = Conflict("not_found", "that revision is not kept any more", field="payload.revision")
        self.refused(submission, error)
        reader = self.by_peer.get(submission.peer)
        if reader is not None and reader.joining is None:
            reader.joining = Joining(None, None)
            self._admit(reader)

    def closed(self) -> None:
        """The document is not in memory any more."""
        self.cursors.stop()
        if self.company is not None:
            self.company.close()
        self._forget(self)

    def settled(self) -> None:
        """Nothing is on its way: those who wait for that are let in."""
        waiting, self._waiting = self._waiting, []
        for reader in waiting:
            if self.by_peer.get(reader.peer) is reader:
                self._admit(reader)

    def reloaded(self, *, is_new: bool) -> None:
        """The document was read anew; with `is_new` it goes on in another epoch."""
        self._waiting.clear()
        self._told = self.document.durable
        for reader in list(self.by_peer.values()):
            if is_new and reader.joining is None:
                reader.joining = Joining(None, None)
            if reader.joining is not None:
                self._admit(reader)
            elif reader.sent != self._told:
                self._feed(reader)

    # --- What other nodes tell -------------------------------------------------------------------------

    def entered_elsewhere(self, client_id: str) -> None:
        """The author is at another node now. Who came only just may have come from there: letters are late."""
        reader = self._by_client.get(client_id)
        if reader is not None and self._now() - reader.since >= _JUST:
            self._put_out(reader)

    def pointed_elsewhere(self, client_id: str, user: str, cursor: Cursor) -> None:
        if client_id not in self._by_client:
            self.cursors.take(client_id, user, cursor)

    def point_all(self) -> None:
        self.cursors.tell_all()

    # --- Inside ----------------------------------------------------------------------------------------

    def _admit(self, reader: Reader) -> None:
        """Answers a join, unless something is on its way: then it is answered when that is settled."""
        document, joining = self.document, reader.joining
        if joining is None or not reader.peer.is_ready:
            return
        if document.pending or document.is_reloading:
            self._waiting.append(reader)
            return
        reader.joining = None
        position = joining.position
        recovered = position is not None and position.epoch == document.epoch and position.offset <= document.durable
        if recovered and position is not None and position.offset < document.window.start:
            reader.is_fetching = True
            self._tasks.start(self._recover(reader, joining, position.offset))
            return
        self._answer(reader, joining, position.offset if recovered and position is not None else None)

    def _answer(self, reader: Reader, joining: Joining, after: int | None) -> None:
        """Says how it goes on: after a revision, or with the whole document."""
        document, peer = self.document, reader.peer
        author = document.authors.find(reader.client_id)
        place = document.durable if after is None else after
        opened = Opened(after is not None, document.epoch, place, 0 if author is None else author.seq)
        joined = JoinedMessage(
            channel=self.channel, document_id=document.id, client_id=reader.client_id, payload=opened
        )
        if joining.message_id is not None:
            joined.message_id = joining.message_id
        peer.send(joined)
        reader.sent = place
        if after is None:
            state = DocumentState(str(document.text), document.durable, document.epoch, TRANSFORM)
            cursors = self.cursors.placed(reader.client_id)
            peer.send(InitMessage(channel=self.channel, document_id=document.id, payload=Init(state, cursors)))
        else:
            self._feed(reader)
            self.cursors.show_all(reader)

    async def _recover(self, reader: Reader, joining: Joining, after: int) -> None:
        """A join from before what is in memory: whether that is kept the log says."""
        try:
            await self._read(after)
        except HubbubError:
            joining.position = None
        reader.is_fetching = False
        if self.by_peer.get(reader.peer) is reader:
            if joining.position is not None and not self.document.pending:
                self._answer(reader, joining, after)
            else:
                reader.joining = joining
                self._admit(reader)

    def _feed(self, reader: Reader) -> None:
        """Sends what comes after what it was sent, as long as it drains."""
        document = self.document
        if reader.is_fetching:
            return
        while reader.sent < self._told and reader.peer.is_ready:
            if reader.sent < document.window.start:
                reader.is_fetching = True
                self._tasks.start(self._fetch(reader))
                return
            edits = [edit for edit in document.window.after(reader.sent) if edit.revision <= self._told]
            self._send(reader, edits[:_STRETCH])

    async def _fetch(self, reader: Reader) -> None:
        """What it is to be sent next is only in the log."""
        try:
            edits = await self._read(reader.sent)
            if self.by_peer.get(reader.peer) is reader and reader.joining is None:
                self._send(reader, edits)
        except HubbubError as error:
            log.warning("a reader of document %s cannot catch up: %s", self.document.id, error)
            reader.joining = Joining(None, None)
        finally:
            reader.is_fetching = False
        if self.by_peer.get(reader.peer) is reader:
            if reader.joining is not None:
                self._admit(reader)
            else:
                self._feed(reader)

    def _send(self, reader: Reader, edits: Sequence[Edit]) -> None:
        entries = entries_for(edits, reader.client_id)
        if entries:
            reader.peer.send(self._operations(entries))
        reader.sent = edits[-1].revision

    def _operations(self, entries: list[Entry]) -> OperationsMessage:
        return OperationsMessage(channel=self.channel, payload=Operations(entries))

    def _live(self) -> list[Reader]:
        """Those who have been sent everything there is."""
        return [one for one in self.by_peer.values() if one.sent == self._told and one.joining is None]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def entries_for(edits: Sequence[Edit], client_id: str) -> list[Entry]:
    """The edits as this author gets them: of its own it has the operation."""
    entries = []
    for edit in edits:
        record = edit.record
        if record.client_id == OWNER:
            # It changed nothing. To clients it is a hole between two revisions.
            continue
        entry = Entry(edit.revision, record.client_id, record.seq)
        if record.client_id != client_id:
            entry.operation = record.operation
            entry.user = record.user
            entry.timestamp = record.timestamp
        entries.append(entry)
    return entries
