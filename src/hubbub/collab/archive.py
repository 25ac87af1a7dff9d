"""What is kept of documents beyond this process: snapshots and logs together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable
from inspect import isawaitable
from typing import TypeVar

from msgspec import Struct

from hubbub import Conflict, HubbubError, TryLater
from hubbub.collab.authors import Authors
from hubbub.collab.live import Loaded
from hubbub.collab.options import DocumentOptions
from hubbub.collab.texts import TextStore
from hubbub.collab.window import Edit, Window, read_edit
from hubbub.ports import DocumentLog, Page, Snapshot, Snapshots

log = logging.getLogger("hubbub.collab")

T = TypeVar("T")

_STRETCH = 256
"""Records that are read and applied in one go, so that the loop gets its turn between."""


class Missing(HubbubError):
    """A document cannot be had as it was: what its text is made of is not there any more."""


class Kept(Struct):
    """A stretch of a document's log: its edits in order, and the first revision after which all is kept."""

    edits: list[Edit]
    start: int
    complete: bool


class Archive:
    """Reads and writes documents. It knows nothing of who edits them."""

    def __init__(self, store: DocumentLog, snapshots: Snapshots, options: DocumentOptions) -> None:
        self.store = store
        self.snapshots = snapshots
        self._options = options

    async def load(self, id: str, *, create: bool, now: float) -> Loaded:
        """The document as it is. `now` is in seconds since 1970.

        Raises `Conflict` (`not_found`) for one that does not exist, unless it is to be created, `Missing` when what
        it is made of is gone, and what the stores raise. Never an empty document for one that cannot be read.
        """
        # In this order: what is in a new log was built on a snapshot of its epoch.
        head = await answer(self.store.head(f"doc:{id}"))
        snapshot = await answer(self.snapshots.latest(id))
        if snapshot is None:
            if head.offset == 0 and not create:
                raise Conflict("not_found", f"there is no document {id}", field="channel")
            snapshot = Snapshot(head.epoch, 0, now, b"", b"{}")
            loaded = _begin(snapshot)
            loaded.saved = -1
        else:
            loaded = _begin(snapshot)
        if snapshot.epoch != head.epoch and head.offset < snapshot.revision:
            # The log was lost and begun anew: the snapshot is what there is, and the new log goes on from it.
            loaded = _begin(Snapshot(head.epoch, head.offset, now, snapshot.text, snapshot.authors))
            loaded.saved = -1
        elif snapshot.epoch != head.epoch:
            loaded.epoch = head.epoch
            loaded.saved = -1
        async for edit in self.edits(id, head.epoch, loaded.revision, head.offset):
            loaded.apply(edit)
        if snapshot.epoch != head.epoch:
            # Before anything is built on it.
            await self.save(id, snapshot_of(loaded, now))
            loaded.saved = loaded.revision
        return loaded

    async def edits(self, id: str, epoch: str, after: int, upto: int) -> AsyncIterator[Edit]:
        """Every edit between two revisions, the first excluded. Raises `Missing` when not all of them are there."""
        while after < upto:
            kept = await self.read(id, epoch, after)
            if kept.start > after or not kept.edits:
                raise Missing(f"revisions {after + 1} to {kept.start} of document {id} are gone")
            for edit in kept.edits:
                if edit.revision > upto:
                    return
                yield edit
            after = kept.edits[-1].revision
            await asyncio.sleep(0)

    async def read(
        self,
        id: str,
        epoch: str,
        after: int,
        limit: int = _STRETCH,
        *,
        before: int | None = None,
        newest: bool = False,
    ) -> Kept:
        """At most `limit` edits after a revision and before another, the oldest or with `newest` the newest.

        Raises `Missing` when the log is of another epoch.
        """
        page: Page = await answer(self.store.read(f"doc:{id}", after=after, before=before, limit=limit, newest=newest))
        if page.epoch != epoch:
            raise Missing(f"the log of document {id} was begun anew")
        return Kept([read_edit(offset, record) for offset, record in page.entries], page.oldest - 1, page.complete)

    async def text_at(self, id: str, epoch: str, revision: int) -> tuple[int, str]:
        """The text as it was at a revision, and the last revision that is not above it. Raises `Missing`."""
        snapshot = await answer(self.snapshots.before(id, epoch, revision))
        loaded = _begin(snapshot or Snapshot(epoch, 0, 0.0, b"", b"{}"))
        async for edit in self._edits_upto(id, epoch, loaded.revision, revision):
            loaded.apply(edit)
        return loaded.revision, str(loaded.text)

    async def save(self, id: str, snapshot: Snapshot) -> None:
        """Saves a snapshot, and drops what is older than it has to be kept."""
        await answer(self.snapshots.save(id, snapshot))
        saved = await answer(self.snapshots.saved(id))
        oldest = snapshot.at - self._options.keep_seconds
        old = [one for one in saved[:-1] if one.epoch == snapshot.epoch and one.at < oldest]
        if old:
            # Everything since the last snapshot but one, and at least as long as is set.
            await answer(self.store.trim(f"doc:{id}", old[-1].revision))
            await answer(self.snapshots.drop(id, old[-1].epoch, old[-1].revision))

    async def _edits_upto(self, id: str, epoch: str, after: int, upto: int) -> AsyncIterator[Edit]:
        while True:
            kept = await self.read(id, epoch, after)
            if kept.start > after:
                raise Missing(f"revisions up to {kept.start} of document {id} are gone")
            for edit in kept.edits:
                if edit.revision > upto:
                    return
                yield edit
            if kept.complete:
                return
            after = kept.edits[-1].revision
            await asyncio.sleep(0)


def snapshot_of(loaded: Loaded, now: float) -> Snapshot:
    return Snapshot(loaded.epoch, loaded.revision, now, str(loaded.text).encode(), loaded.authors.encode())


def _begin(snapshot: Snapshot) -> Loaded:
    text = TextStore(snapshot.text.decode())
    loaded = Loaded(snapshot.epoch, snapshot.revision, text, Authors(snapshot.authors), Window(snapshot.revision))
    loaded.saved = snapshot.revision
    return loaded


async def answer(result: T | Awaitable[T]) -> T:
    """What a store said, at once or later. Raises `TryLater` (`unavailable`) when it is away."""
    try:
        return await result if isawaitable(result) else result
    except OSError as error:
        log.warning("documents cannot be read or written: %s", error)
        raise TryLater("unavailable", "the documents cannot be had now", retry_after_ms=1000) from None
