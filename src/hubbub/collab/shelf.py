"""The documents that are in memory: they are read when they are opened, saved now and then, and let go when idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from hubbub import HubbubError, ProtocolError, TryLater
from hubbub.collab.archive import Archive, Missing, snapshot_of
from hubbub.collab.live import LiveDocument, Loaded, Readers, Submission
from hubbub.collab.options import DocumentOptions
from hubbub.collab.sharing import Sharing
from hubbub.collab.tasks import Tasks

log = logging.getLogger("hubbub.collab")

_SWEEP = 1.0
_RETRY = 1.0


class Shelf:
    """Each document once, however many open it at a time."""

    def __init__(self, archive: Archive, options: DocumentOptions, tasks: Tasks, *, wall_ms: Callable[[], int]) -> None:
        """`wall_ms` gives milliseconds since 1970."""
        self._archive = archive
        self._options = options
        self._tasks = tasks
        self._wall_ms = wall_ms
        self._documents: dict[str, LiveDocument] = {}
        self._loading: dict[str, asyncio.Task[LiveDocument]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self.sharing: Sharing | None = None
        """Who is told of what comes and goes, where other nodes have the documents, too."""

    def __len__(self) -> int:
        return len(self._documents)

    def find(self, id: str) -> LiveDocument | None:
        return self._documents.get(id)

    async def open(self, id: str, readers: Callable[[LiveDocument], Readers], *, create: bool) -> LiveDocument:
        """The document, read if need be. `readers` makes who is told of it. Raises as `Archive.load` does."""
        document = self._documents.get(id)
        if document is None:
            task = self._loading.get(id)
            if task is None:
                task = self._loading[id] = self._tasks.start(self._load(id, readers, create))
                task.add_done_callback(_retrieve)
            document = await asyncio.shield(task)
        document.used = self._now()
        return document

    async def _load(self, id: str, readers: Callable[[LiveDocument], Readers], create: bool) -> LiveDocument:
        try:
            if self.sharing is not None:
                await self.sharing.begin(id)
            try:
                loaded = await self._read(id, create=create)
            except BaseException:
                if self.sharing is not None:
                    self.sharing.following.end(id)
                raise
            document = self._documents[id] = LiveDocument(id, loaded, _Nobody(), most_units=self._options.max_units)
            document.readers = readers(document)
            document.used = self._now()
            if self.sharing is not None:
                self.sharing.opened(document)
            self._watch()
            return document
        finally:
            del self._loading[id]

    async def _read(self, id: str, *, create: bool) -> Loaded:
        try:
            return await self._archive.load(id, create=create, now=self._wall_ms() / 1000)
        except Missing as missing:
            log.error("document %s cannot be read: %s", id, missing)
            raise TryLater("unavailable", "the document cannot be read", retry_after_ms=10_000) from None

    async def reload(self, document: LiveDocument) -> None:
        """Reads a document anew whose log is not what it was thought to be."""
        while True:
            try:
                loaded = await self._read(document.id, create=True)
                break
            except HubbubError as error:
                log.warning("document %s cannot be read now: %s", document.id, error)
                while document.queue:
                    refused = TryLater("unavailable", "the document cannot be had now", retry_after_ms=1000)
                    document.readers.refused(document.queue.popleft(), refused)
                await asyncio.sleep(_RETRY)
        is_new = loaded.epoch != document.epoch
        document.assume(loaded)
        document.is_reloading = False
        document.readers.reloaded(is_new=is_new)

    async def save_all(self) -> None:
        """Saves what has no snapshot of its last revision, unless something is under way with it."""
        for document in list(self._documents.values()):
            if document.is_idle and document.saved != document.revision and self._may_save(document):
                await self._save(document)

    def stop(self) -> None:
        """Nothing is saved or let go by itself any more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def clear(self) -> None:
        """Nothing is in memory any more."""
        self._documents.clear()

    def _watch(self) -> None:
        if self._sweeper is None or self._sweeper.cancelled():
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._now()
        options = self._options
        for document in list(self._documents.values()):
            if len(document.readers):
                document.used = now
            is_left = document.used < now - options.idle_seconds
            is_due = document.unsaved >= options.snapshot_operations or (
                document.unsaved_since is not None and now - document.unsaved_since >= options.snapshot_seconds
            )
            if not document.is_idle:
                # Its text is not what is in the log yet, or it is being saved.
                is_busy = document.pending or document.is_reloading or document.is_saving
                if is_due and not is_busy and self._may_save(document):
                    self._begin_saving(document)
            elif document.saved != document.revision and (is_due or is_left) and self._may_save(document):
                self._begin_saving(document)
            elif is_left:
                del self._documents[document.id]
                if self.sharing is not None:
                    self.sharing.closed(document)
                document.readers.closed()
        if self.sharing is not None:
            self.sharing.sweep()
        if self._documents:
            self._watch()

    def _may_save(self, document: LiveDocument) -> bool:
        return document.revision > 0 and (self.sharing is None or self.sharing.may_save(document))

    def _begin_saving(self, document: LiveDocument) -> None:
        document.is_saving = True
        self._tasks.start(self._save(document))

    async def _save(self, document: LiveDocument) -> None:
        """Saves a snapshot of a document with nothing pending."""
        loaded = Loaded(document.epoch, document.revision, document.text, document.authors, document.window)
        snapshot = snapshot_of(loaded, self._wall_ms() / 1000)
        unsaved, since = document.unsaved, document.unsaved_since
        document.unsaved, document.unsaved_since = 0, None
        try:
            await self._archive.save(document.id, snapshot)
            if document.epoch == snapshot.epoch:
                document.saved = snapshot.revision
        except Exception as error:
            # The log has it all: it is tried again later.
            log.warning("document %s could not be saved: %s", document.id, error)
            document.unsaved += unsaved
            document.unsaved_since = since if since is not None else document.unsaved_since
        finally:
            document.is_saving = False

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Whoever waited for it may have gone."""
    if not task.cancelled():
        task.exception()


class _Nobody:
    """Stands for the readers of a document until they are there."""

    def __len__(self) -> int:
        return 0

    def committed(self, edits: list[Any]) -> None: ...
    def repeated(self, submission: Submission, revision: int) -> None: ...
    def refused(self, submission: Submission, error: ProtocolError) -> None: ...
    def outdated(self, submission: Submission) -> None: ...
    def settled(self) -> None: ...
    def reloaded(self, *, is_new: bool) -> None: ...
    def closed(self) -> None: ...
