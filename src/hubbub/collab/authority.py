"""The authority over documents: it gives their operations an order, has them written, and then tells of them.

What a loop turn brings for all documents is appended as one batch, conditionally: each record only behind the one
that it was mapped to. Nothing is acknowledged or shown to anyone before the log has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from hubbub import BadMessage, Denied, InternalError, ProtocolError, TryLater
from hubbub.collab.archive import Archive
from hubbub.collab.authors import Author
from hubbub.collab.forwarding import Forwarded
from hubbub.collab.latecomers import Latecomers
from hubbub.collab.live import LiveDocument, Readers, Submission, from_the_future
from hubbub.collab.options import DocumentOptions
from hubbub.collab.sharing import Peers, Sharing
from hubbub.collab.shelf import Shelf
from hubbub.collab.tasks import Tasks
from hubbub.collab.window import Edit
from hubbub.ports import Append, Appended, DocumentLog, Refused, SharedLog, Snapshots

log = logging.getLogger("hubbub.collab")

_BUDGET = 20_000
"""Sections that a turn maps over for all documents together: some 10 ms."""
_ENDLESS = 2**62
_BATCH = 512
"""Operations of one document in one batch."""


class Authority:
    """All documents that are in memory here. Not thread-safe: everything happens in one loop."""

    def __init__(
        self,
        store: DocumentLog,
        snapshots: Snapshots,
        options: DocumentOptions,
        *,
        wall_ms: Callable[[], int],
        peers: Peers | None = None,
        wanted: Callable[[Forwarded], None] = lambda mail: None,
    ) -> None:
        """`wall_ms` gives milliseconds since 1970.

        With `peers` other nodes serve the documents, too, and the `store` is a `SharedLog`; `wanted` is given what they
        forward of documents that are not in memory.
        """
        self.archive = Archive(store, snapshots, options)
        self._store = store
        self._most_queued = options.max_queued
        self._wall_ms = wall_ms
        self._tasks = Tasks()
        self._shelf = Shelf(self.archive, options, self._tasks, wall_ms=wall_ms)
        self._late = Latecomers(self.archive, options.max_late, self._tasks, self._touch)
        self._sharing: Sharing | None = None
        if peers is not None:
            self._sharing = self._shelf.sharing = Sharing(
                peers,
                cast(SharedLog, store),
                self.archive,
                options,
                self._tasks,
                wall_ms=wall_ms,
                find=self.find,
                take_in=self._take_in,
                reload=self._begin_reloading,
                touch=self._touch,
                wanted=wanted,
            )
        self._dirty: dict[LiveDocument, None] = {}
        self._is_awake = False
        self._is_flying = False

    def __len__(self) -> int:
        return len(self._shelf)

    def find(self, id: str) -> LiveDocument | None:
        """The document, if it is in memory."""
        return self._shelf.find(id)

    async def open(self, id: str, readers: Callable[[LiveDocument], Readers], *, create: bool) -> LiveDocument:
        """The document, read if need be. `readers` makes who is told of it.

        Raises as `Archive.load` does.
        """
        return await self._shelf.open(id, readers, create=create)

    def submit(self, document: LiveDocument, submission: Submission) -> None:
        """Takes an operation. What becomes of it the document's readers are told.

        Raises `BadMessage` for one from the future, `TryLater` (`too_many_pending`).
        """
        submission.epoch = document.epoch
        if submission.revision > document.durable and not document.is_reloading:
            raise from_the_future(document.durable)
        queue = document.queue
        if len(queue) >= self._most_queued:
            raise TryLater("too_many_pending", "the document gets too many operations", retry_after_ms=500)
        queue.append(submission)
        self._dirty[document] = None
        if not self._is_awake:
            self._touch(document)

    async def catch_up(self, document: LiveDocument) -> None:
        """Returns when nothing is missing of what any node had acknowledged by now. Raises `HubbubError`."""
        if self._sharing is not None:
            await self._sharing.following.catch_up(document)

    def submit_forwarded(self, document: LiveDocument, mail: Forwarded) -> None:
        """Takes an operation of another node's author."""
        if self._sharing is not None:
            self._sharing.take_forwarded(document, mail)

    async def settle(self) -> None:
        """Waits until everything that was submitted is in the log, or refused."""
        while self._tasks or self._is_awake:
            await self._tasks.wait()
            await asyncio.sleep(0)

    async def drain(self, seconds: float) -> None:
        """Brings everything to its end, as far as the time suffices, and saves what has no snapshot yet."""
        self._shelf.stop()
        if self._sharing is not None:
            # What others forward from now on would never end: they send it to whoever comes next.
            self._sharing.close()
        try:
            async with asyncio.timeout(seconds):
                await self.settle()
                if self._sharing is not None:
                    await self._sharing.hand_over()
                await self._shelf.save_all()
        except TimeoutError:
            log.warning("documents were not saved in time; their operations are in the log")
        self._tasks.cancel()
        self._shelf.clear()

    # --- A turn ----------------------------------------------------------------------------------------

    def _touch(self, document: LiveDocument) -> None:
        self._dirty[document] = None
        if not self._is_awake and not self._is_flying:
            self._is_awake = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._is_awake = False
        self.turn()

    def turn(self) -> None:
        """Takes what was submitted, as far as it goes in one turn. It is called by itself, soon."""
        if self._is_flying:
            return
        dirty, self._dirty = self._dirty, {}
        batch: list[Append] = []
        flights: list[LiveDocument] = []
        budget = _BUDGET
        now = self._wall_ms()
        for document in dirty:
            if document.is_reloading or (document.queue and not self._may_write(document)):
                continue
            queue, pending = document.queue, document.pending
            while queue and budget > 0 and len(pending) < _BATCH:
                budget = self._take(document, batch, budget, now)
            if pending:
                flights.append(document)
            if queue:
                self._touch(document)
        if batch:
            self._append(batch, flights)

    def _may_write(self, document: LiveDocument) -> bool:
        return self._sharing is None or self._sharing.may_write(document)

    def _take(self, document: LiveDocument, batch: list[Append], budget: int, now: int) -> int:
        """Takes the next operation of a document's queue. Returns what is left of the budget."""
        submission = document.queue.popleft()
        try:
            if submission.epoch != document.epoch:
                document.readers.outdated(submission)
                return budget
            author = document.authors.find(submission.client_id)
            if (
                author is not None
                and (submission.seq <= author.seq or submission.user != author.user)
                and self._is_repeat(document, submission, author)
            ):
                return budget
            if not submission.is_checked:
                document.check_forwarded(submission)
            if submission.revision != document.revision:
                cost = _ENDLESS if submission.revision < document.window.start else document.cost(submission)
                if cost > _BUDGET:
                    self._late.admit(document, submission)
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

    def _is_repeat(self, document: LiveDocument, submission: Submission, author: Author) -> bool:
        """What to do with one that is not the author's next: whether it was had. Raises `ProtocolError` if not."""
        if author.user != submission.user:
            raise Denied("forbidden", "the client id is another user's", field="clientId")
        if submission.seq < author.seq:
            raise BadMessage("invalid_message", f"operation {author.seq} was had already", field="payload.seq")
        if author.revision <= document.durable:
            document.readers.repeated(submission, author.revision)
        # Else it is on its way, and acknowledged when it is in the log.
        return True

    def _append(self, batch: list[Append], flights: list[LiveDocument]) -> None:
        results = self._store.append(batch)
        if hasattr(results, "__await__"):
            self._is_flying = True
            self._tasks.start(self._append_later(results, batch, flights))
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
        if len(flights) == 1:
            self._settle_one(flights[0], results)
            return
        place = 0
        for document in flights:
            count = len(document.pending)
            self._settle_one(document, results[place : place + count])
            place += count

    def _settle_one(self, document: LiveDocument, results: Sequence[Appended | Refused]) -> None:
        """What the log has is told; what it has not is tried again, or refused, after the document was read anew."""
        committed, lost = document.settle(results)
        if committed:
            self._tell(document, committed)
        if not lost:
            document.readers.settled()
            if self._sharing is not None:
                self._sharing.following.settled(document)
            return
        failed = results[len(committed)]
        if isinstance(failed, Refused) and failed.code != "conflict":
            error = TryLater(failed.code, failed.reason, retry_after_ms=1000)
            for submission in lost:
                document.readers.refused(submission, error)
        else:
            log.info("document %s is read anew: its log has another node's operations, or was begun anew", document.id)
            for submission in reversed(lost):
                submission.begin_again()
                document.queue.appendleft(submission)
        if self._sharing is not None:
            self._sharing.conflicted(document)
        self._begin_reloading(document)

    def _tell(self, document: LiveDocument, edits: list[Edit]) -> None:
        """These are in the log."""
        document.unsaved += len(edits)
        if document.unsaved_since is None:
            document.unsaved_since = asyncio.get_running_loop().time()
        document.readers.committed(edits)

    def _take_in(self, document: LiveDocument, edits: list[Edit]) -> None:
        """Other nodes appended these, which come next."""
        for edit in edits:
            document.follow(edit)
        self._tell(document, edits)
        if self._sharing is not None:
            self._sharing.appended(document, edits)

    def _begin_reloading(self, document: LiveDocument) -> None:
        if not document.is_reloading:
            document.is_reloading = True
            self._tasks.start(self._reload(document))

    async def _reload(self, document: LiveDocument) -> None:
        await self._shelf.reload(document)
        if self._sharing is not None:
            self._sharing.reloaded(document)
        self._touch(document)
