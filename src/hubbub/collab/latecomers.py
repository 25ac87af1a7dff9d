"""Operations that are far behind: they are mapped in slices, so that nobody who edits meanwhile waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hubbub import InternalError, ProtocolError, TryLater
from hubbub.collab.archive import Archive, Missing
from hubbub.collab.live import LiveDocument, Submission, check_length, rebase
from hubbub.collab.tasks import Tasks

log = logging.getLogger("hubbub.collab")

_SLICE = 5_000
"""Sections that an operation is mapped over before the loop gets its turn."""


class Latecomers:
    """Brings each up to where the rest is done in a turn, and puts it back at the head of its document's queue."""

    def __init__(self, archive: Archive, most: int, tasks: Tasks, back: Callable[[LiveDocument], None]) -> None:
        """At most `most` of one document at a time. `back` is called when a document's queue has one again."""
        self._archive = archive
        self._most = most
        self._tasks = tasks
        self._back = back
        self._slicing = asyncio.Lock()

    def admit(self, document: LiveDocument, submission: Submission) -> None:
        """Raises `TryLater` (`too_many_pending`)."""
        if document.late >= self._most:
            raise TryLater("too_many_pending", "too many operations are far behind", retry_after_ms=1000)
        document.late += 1
        self._tasks.start(self._map(document, submission))

    async def _map(self, document: LiveDocument, submission: Submission) -> None:
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
        self._back(document)

    async def _map_kept(self, document: LiveDocument, submission: Submission) -> None:
        """Over a stretch of what is in the log only."""
        kept = await self._archive.read(document.id, submission.epoch, submission.revision)
        if kept.start > submission.revision or not kept.edits:
            raise Missing(f"document {document.id} has no revision {submission.revision} any more")
        check_length(submission.changes, kept.edits[0].changes.length)
        edits = kept.edits
        while edits:
            async with self._slicing:
                rebase(submission, edits, _SLICE)
                await asyncio.sleep(0)
            edits = [edit for edit in edits if edit.revision > submission.revision]
