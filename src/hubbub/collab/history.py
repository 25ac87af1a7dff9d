"""The history of one document: its text at any revision, who changed what, and all of it to take away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from hubbub import Conflict
from hubbub.collab.archive import Archive, Kept, Missing
from hubbub.collab.authors import OWNER
from hubbub.collab.live import LiveDocument
from hubbub.collab.window import Edit
from hubbub.protocol.limits import MAX_HISTORY
from hubbub.protocol.messages import HistoryMessage, OperationsMessage
from hubbub.protocol.payloads import Entry, Operations
from hubbub.protocol.payloads import History as HistoryPayload


class History:
    """Reads what is kept of a document. Raises `Conflict` (`not_found`) for what is not kept any more."""

    def __init__(self, archive: Archive, document: LiveDocument) -> None:
        self._archive = archive
        self._document = document

    @property
    def epoch(self) -> str:
        return self._document.epoch

    async def text_at(self, revision: int) -> tuple[int, str]:
        """The text at a revision, and the last revision that is not above it."""
        document = self._document
        try:
            return await self._archive.text_at(document.id, document.epoch, min(revision, document.durable))
        except Missing:
            raise _gone("payload.at") from None

    async def edits(
        self, *, after: int = 0, before: int | None = None, limit: int = MAX_HISTORY, newest: bool = False
    ) -> Kept:
        """At most `limit` edits between two revisions, both excluded: the oldest, or the newest of them."""
        document = self._document
        try:
            return await self._archive.read(document.id, document.epoch, after, limit, before=before, newest=newest)
        except Missing:
            raise _gone("channel") from None

    async def export(self) -> bytes:
        """JSON with `document`, `epoch`, `revision`, `text`, and `operations` as they are in the log."""
        document = self._document
        operations: list[dict[str, Any]] = []
        after, start = 0, None
        while True:
            kept = await self.edits(after=after)
            start = kept.start if start is None else start
            operations += [{"revision": edit.revision, **msgspec.to_builtins(edit.record)} for edit in kept.edits]
            if kept.complete or not kept.edits:
                break
            after = kept.edits[-1].revision
        revision, text = await self.text_at(operations[-1]["revision"] if operations else document.durable)
        return msgspec.json.encode(
            {
                "document": document.id,
                "epoch": document.epoch,
                "start": start,
                "revision": revision,
                "text": text,
                "operations": operations,
            }
        )


async def answer_history(history: History, message: HistoryMessage) -> HistoryMessage:
    """The answer to a client's question: a text (`at`), or operations as messages, each as it was delivered."""
    query = HistoryPayload() if message.payload is UNSET else message.payload
    found = HistoryMessage(message_id=message.message_id, channel=message.channel)
    if query.at is not UNSET:
        revision, text = await history.text_at(query.at)
        found.messages = []
        found.payload = HistoryPayload(epoch=history.epoch, complete=True, at=revision, content=text)
        return found
    limit = MAX_HISTORY if query.limit is UNSET else min(query.limit, MAX_HISTORY)
    newest = query.after is UNSET
    after = 0 if query.after is UNSET else query.after
    kept = await history.edits(
        after=after, before=None if query.before is UNSET else query.before, limit=limit, newest=newest
    )
    found.messages = [_delivered(str(message.channel), edit) for edit in without_owners(kept.edits)]
    found.payload = HistoryPayload(epoch=history.epoch, complete=kept.complete and kept.start <= after)
    return found


def without_owners(edits: Sequence[Edit]) -> list[Edit]:
    """What people wrote: not what nodes said of who owns the document."""
    return [edit for edit in edits if edit.client_id != OWNER]


def _delivered(channel: str, edit: Edit) -> OperationsMessage:
    record = edit.record
    entry = Entry(edit.revision, record.client_id, record.seq, record.operation, record.user, record.timestamp)
    return OperationsMessage(
        channel=channel,
        offset=edit.revision,
        sender=record.user,
        timestamp=record.timestamp,
        payload=Operations([entry]),
    )


def _gone(field: str) -> Conflict:
    return Conflict("not_found", "that is not kept any more", field=field)
