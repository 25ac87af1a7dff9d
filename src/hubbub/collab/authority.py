"""The authority over documents: it gives their operations an order, has them written, and then tells of them.

What a loop turn brings for all documents is appended as one batch, conditionally: each record only behind the one
that it was mapped to. Nothing is acknowledged or shown to anyone before the log has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from inspect import isawaitable
from typing import Any

from hubbub import BadMessage, Denied, HubbubError, InternalError, ProtocolError, TryLater
from hubbub.collab.archive import Archive, Missing, snapshot_of
from hubbub.collab.live import LiveDocument, Loaded, Readers, Submission, check_length, rebase
from hubbub.collab.options import DocumentOptions
from hubbub.ports import Append, Appended, DocumentLog, Refused, Snapshots

log = logging.getLogger("hubbub.collab")

_SWEEP = 1.0
_RETRY = 1.0
_BUDGET = 20_000
"""Sections that a turn maps over for all documents together: some 10 ms."""
_ENDLESS = 2**62
_SLICE = 5_000
"""Sections that one operation that is far behind is mapped over before the loop gets its turn."""
_BATCH = 512
"""Operations of one document in one batch."""


class Authority:
    """All documents that are in memory here. Not thread-safe: everything happens in one loop."""

    def __init__(
        self, store: DocumentLog, snapshots: Snapshots, options: DocumentOptions, *, wall_ms: Callable[[], int]
    ) -> None:
        """`wall_ms` gives milliseconds since 1970."""
        self.archive = Archive(store, snapshots, options)
        self._store = store
        self._options = options
        self._wall_ms = wall_ms
        self._documents: dict[str, LiveDocument] = {}
        self._loading: dict[str, asyncio.Task[LiveDocument]] = {}
        self._dirty: dict[LiveDocument, None] = {}
        self._is_awake = False
        self._is_flying = False
        self._slicing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._documents)

    def find(self, id: str) -> LiveDocument | None:
        """The document, if it is in memory."""
        return self._documents.get(id)

    async def open(self, id: str, readers: Callable[[LiveDocument], Readers], *, create: bool) -> LiveDocument:
        """The document, read if need be. `readers` makes who is told of it.

        Raises as `Archive.load` does.
        """
        document = self._documents.get(id)
        if document is None:
            task = self._loading.get(id)
            if task is None:
                task = self._loading[id] = self._start(self._load(id, readers, create))
                task.add_done_callback(_retrieve)
            document = await asyncio.shield(task)
        document.used = self._now()
        return document

    def submit(self, document: LiveDocument, submission: Submission) -> None:
        """Takes an operation. What becomes of it the document's readers are told. Raises `ProtocolError`."""
        submission.epoch = document.epoch
        if not document.is_reloading:
            document.check(submission)
        if len(document.queue) >= self._options.max_queued:
            raise TryLater("too_many_pending", "the document gets too many operations", retry_after_ms=500)
        document.queue.append(submission)
        self._touch(document)

    async def settle(self) -> None:
        """Waits until everything that was submitted is in the log, or refused."""
        while self._tasks or self._is_awake:
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)

    async def drain(self, seconds: float) -> None:
        """Brings everything to its end, as far as the time suffices, and saves what has no snapshot yet."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(seconds):
                await self.settle()
                for document in list(self._documents.values()):
                    if document.is_idle and document.saved != document.revision and document.revision:
                        await self._save(document)
        except TimeoutError:
            log.warning("documents were not saved in time; their operations are in the log")
        for task in self._tasks:
            task.cancel()
        self._documents.clear()

    # --- A turn ----------------------------------------------------------------------------------------

    def _touch(self, document: LiveDocument) -> None:
        self._dirty[document] = None
        if not self._is_awake and not self._is_flying:
            self._is_awake = True
            asyncio.get_running_loop().call_soon(self.turn)

    def turn(self) -> None:
        """Takes what was submitted, as far as it goes in one turn. It is called by itself, soon."""
        self._is_awake = False
        if self._is_flying:
            return
        dirty, self._dirty = self._dirty, {}
        batch: list[Append] = []
        flights: list[LiveDocument] = []
        budget = _BUDGET
        now = self._wall_ms()
        for document in dirty:
            if document.is_reloading:
                continue
            while document.queue and budget > 0 and len(document.pending) < _BATCH:
                budget = self._take(document, batch, budget, now)
            if document.pending:
                flights.append(document)
            if document.queue:
                self._touch(document)
        if batch:
            self._append(batch, flights)

    def _take(self, document: LiveDocument, batch: list[Append], budget: int, now: int) -> int:
        """Takes the next operation of a document's queue. Returns what is left of the budget."""
        submission = document.queue.popleft()
        try:
            if submission.epoch != document.epoch:
                document.readers.outdated(submission)
                return budget
            if self._is_repeat(document, submission):
                return budget
            if submission.revision != document.revision:
                cost = _ENDLESS if submission.revision < document.window.start else document.cost(submission)
                if cost > _BUDGET:
                    self._begin_late(document, submission)
                    return budget
                if cost > budget:
                    document.queue.appendleft(submission)
                    return 0
                document.rebase(submission)
                budget -= cost
            batch.append(document.accept(submission, now))
        except ProtocolError as error:
            document.readers.refused(submission, error)
        except Exception:
            log.exception("an operation on document %s failed", document.id)
            document.readers.refused(submission, InternalError())
        return budget

    def _is_repeat(self, document: LiveDocument, submission: Submission) -> bool:
        """Whether it was had before. Raises `ProtocolError` for what cannot be."""
        author = document.authors.find(submission.client_id)
        if author is None:
            return False
        if author.user != submission.user:
            raise Denied("forbidden", "the client id is another user's", field="clientId")
        if submission.seq > author.seq:
            return False
        if submission.seq < author.seq:
            raise BadMessage("invalid_message", f"operation {author.seq} was had already", field="payload.seq")
        if author.revision <= document.durable:
            document.readers.repeated(submission, author.revision)
        # Else it is on its way, and acknowledged when it is in the log.
        return True

    def _append(self, batch: list[Append], flights: list[LiveDocument]) -> None:
        results = self._store.append(batch)
        if isawaitable(results):
            self._is_flying = True
            self._start(self._append_later(results, batch, flights))
        else:
            self._settle(results, flights)

    async def _append_later(self, results: Any, batch: list[Append], flights: list[LiveDocument]) -> None:
        try:
            answers = await results
        except Exception as error:
            log.warning("operations could not be appended: %s", error)
            answers = [Refused("unavailable", "the log cannot be had now")] * len(batch)
        self._is_flying = False
        self._settle(answers, flights)
        for document in list(self._dirty):
            self._touch(document)

    def _settle(self, results: Sequence[Appended | Refused], flights: list[LiveDocument]) -> None:
        place = 0
        for document in flights:
            pending, document.pending = document.pending, []
            count = len(pending)
            self._settle_one(document, pending, results[place : place + count])
            place += count

    def _settle_one(self, document: LiveDocument, pending: list[Any], results: Sequence[Appended | Refused]) -> None:
        """What the log has is told; what it has not is tried again, or refused, after the document was read anew."""
        committed = []
        for (_, edit), result in zip(pending, results, strict=True):
            if isinstance(result, Refused) or result.epoch != document.epoch:
                break
            document.commit(edit, result.offset)
            committed.append(edit)
        if committed:
            document.unsaved += len(committed)
            if document.unsaved_since is None:
                document.unsaved_since = self._now()
            document.readers.committed(committed)
        if len(committed) == len(pending):
            document.readers.settled()
            return
        lost = [submission for submission, _ in pending[len(committed) :]]
        failed = results[len(committed)]
        if isinstance(failed, Refused) and failed.code != "conflict":
            error = TryLater(failed.code, failed.reason, retry_after_ms=1000)
            for submission in lost:
                document.readers.refused(submission, error)
        else:
            for submission in reversed(lost):
                submission.begin_again()
                document.queue.appendleft(submission)
        document.is_reloading = True
        self._start(self._reload(document))

    # --- Far behind ------------------------------------------------------------------------------------

    def _begin_late(self, document: LiveDocument, submission: Submission) -> None:
        if document.late >= self._options.max_late:
            raise TryLater("too_many_pending", "too many operations are far behind", retry_after_ms=1000)
        document.late += 1
        self._start(self._bring_up(document, submission))

    async def _bring_up(self, document: LiveDocument, submission: Submission) -> None:
        """Maps an operation over very many others, a slice at a time, until the rest is done in a turn."""
        try:
            while submission.revision < document.window.start:
                await self._map_kept(document, submission)
            while submission.epoch == document.epoch and document.cost(submission) > _SLICE:
                async with self._slicing:
                    document.rebase(submission, _SLICE)
                    await asyncio.sleep(0)
            document.queue.appendleft(submission)
        except Missing:
            document.readers.outdated(submission)
        except ProtocolError as error:
            document.readers.refused(submission, error)
        except Exception:
            log.exception("an operation on document %s failed", document.id)
            document.readers.refused(submission, InternalError())
        finally:
            document.late -= 1
        self._touch(document)

    async def _map_kept(self, document: LiveDocument, submission: Submission) -> None:
        """Over a stretch of what is in the log only."""
        kept = await self.archive.read(document.id, submission.epoch, submission.revision)
        if kept.start > submission.revision or not kept.edits:
            raise Missing(f"document {document.id} has no revision {submission.revision} any more")
        check_length(submission.changes, kept.edits[0].changes.length)
        edits = kept.edits
        while edits:
            async with self._slicing:
                rebase(submission, edits, _SLICE)
                await asyncio.sleep(0)
            edits = [edit for edit in edits if edit.revision > submission.revision]

    # --- Loading and saving ----------------------------------------------------------------------------

    async def _load(self, id: str, readers: Callable[[LiveDocument], Readers], create: bool) -> LiveDocument:
        try:
            loaded = await self._read(id, create=create)
            document = self._documents[id] = LiveDocument(id, loaded, _Nobody(), most_units=self._options.max_units)
            document.readers = readers(document)
            document.used = self._now()
            self._watch()
            return document
        finally:
            del self._loading[id]

    async def _read(self, id: str, *, create: bool) -> Loaded:
        try:
            return await self.archive.load(id, create=create, now=self._wall_ms() / 1000)
        except Missing as missing:
            log.error("document %s cannot be read: %s", id, missing)
            raise TryLater("unavailable", "the document cannot be read", retry_after_ms=10_000) from None

    async def _reload(self, document: LiveDocument) -> None:
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
        self._touch(document)

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
                if is_due and not document.pending and not document.is_reloading and not document.is_saving:
                    self._begin_saving(document)
            elif document.saved != document.revision and (is_due or is_left) and document.revision:
                self._begin_saving(document)
            elif is_left:
                del self._documents[document.id]
                document.readers.closed()
        if self._documents:
            self._watch()

    def _begin_saving(self, document: LiveDocument) -> None:
        document.is_saving = True
        self._start(self._save(document))

    async def _save(self, document: LiveDocument) -> None:
        """Saves a snapshot of a document with nothing pending."""
        loaded = Loaded(document.epoch, document.revision, document.text, document.authors, document.window)
        snapshot = snapshot_of(loaded, self._wall_ms() / 1000)
        unsaved, since = document.unsaved, document.unsaved_since
        document.unsaved, document.unsaved_since = 0, None
        try:
            await self.archive.save(document.id, snapshot)
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

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


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
