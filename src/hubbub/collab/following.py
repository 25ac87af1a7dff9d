"""What other nodes appended to the documents that are in memory here: it is taken from their logs, in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from hubbub import HubbubError
from hubbub.collab.archive import Archive, answer
from hubbub.collab.live import LiveDocument
from hubbub.collab.tasks import Tasks
from hubbub.collab.window import Edit, read_edit
from hubbub.ports import SharedLog

log = logging.getLogger("hubbub.collab")

SILENCE = 5.0
"""Seconds without news after which a log is looked at: whoever told of it may have died before."""


class Following:
    """Implements `Sink`. While something of a document is on its way from here, nothing is taken: if another node's
    came before it, it is refused, and the document read anew."""

    def __init__(
        self,
        store: SharedLog,
        archive: Archive,
        tasks: Tasks,
        *,
        find: Callable[[str], LiveDocument | None],
        take_in: Callable[[LiveDocument, list[Edit]], None],
        reload: Callable[[LiveDocument], None],
    ) -> None:
        self._store = store
        self._archive = archive
        self._tasks = tasks
        self._find = find
        self._take_in = take_in
        self._reload = reload
        self._heard: dict[str, int] = {}
        """The last offset that was told, by log."""
        self._news: dict[str, float] = {}
        """When each was heard of, or looked at."""
        self._told: dict[str, float] = {}
        """When something was appended to it, as far as that was told."""
        self._looking: set[str] = set()

    async def begin(self, id: str) -> None:
        """From now on what is appended is taken. Raises `TryLater` (`unavailable`)."""
        name = f"doc:{id}"
        self._heard[name], self._news[name] = 0, self._now()
        try:
            following: Any = self._store.follow(name, self)
            await answer(following)
        except BaseException:
            self.end(id)
            raise

    def end(self, id: str) -> None:
        """Nothing is taken any more."""
        name = f"doc:{id}"
        if self._heard.pop(name, None) is not None:
            del self._news[name]
            self._told.pop(name, None)
            self._store.unfollow(name, self)

    def settled(self, document: LiveDocument) -> None:
        """Nothing of the document is on its way any more: what was told meanwhile is read."""
        if self._heard.get(document.log, 0) > document.durable:
            self.look(document)

    def sweep(self, document: LiveDocument) -> None:
        """To be called about once a second."""
        now = self._now()
        if now - self._news.get(document.log, now) >= SILENCE:
            self._news[document.log] = now
            self.look(document)

    def is_quiet(self, document: LiveDocument, seconds: float) -> bool:
        """Whether nothing that was appended was told of for so long."""
        told = self._told.get(document.log)
        return told is None or told < self._now() - seconds

    def look(self, document: LiveDocument) -> None:
        """Reads what is missing, soon."""
        if document.log not in self._looking:
            self._looking.add(document.log)
            self._tasks.start(self._look(document))

    async def catch_up(self, document: LiveDocument) -> None:
        """Returns when the document is as its log was when this was called. Raises `HubbubError` when it is away."""
        wanted = await answer(self._store.head(document.log))
        while not document.pending and not document.is_reloading:
            if wanted.epoch != document.epoch:
                self._reload(document)
                return
            if wanted.offset <= document.durable:
                return
            kept = await self._archive.read(document.id, document.epoch, document.durable)
            if kept.start > document.durable:
                self._reload(document)
                return
            if not self._take(document, kept.edits):
                return

    # --- The sink --------------------------------------------------------------------------------------

    def arrived(self, name: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        if name not in self._heard or not entries:
            return
        self._heard[name] = max(self._heard[name], entries[-1][0])
        self._news[name] = self._told[name] = self._now()
        document = self._find(name.removeprefix("doc:"))
        # One that is being read is looked at when that is done.
        if document is not None and not document.pending and not document.is_reloading:
            self.take(document, epoch, entries)

    def interrupted(self, name: str) -> None:
        document = self._find(name.removeprefix("doc:"))
        if document is not None:
            self.look(document)

    def take(self, document: LiveDocument, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        """Records of its log."""
        fresh = [entry for entry in entries if entry[0] > document.durable]
        if epoch != document.epoch or (fresh and fresh[0][0] != document.durable + 1):
            self.look(document)
        elif fresh:
            self._take(document, [read_edit(offset, record) for offset, record in fresh])

    # --- Inside ----------------------------------------------------------------------------------------

    def _take(self, document: LiveDocument, edits: Sequence[Edit]) -> bool:
        """Returns whether there was anything new."""
        fresh = [edit for edit in edits if edit.revision > document.durable]
        if not fresh or document.pending or document.is_reloading:
            return False
        self._take_in(document, fresh)
        return True

    async def _look(self, document: LiveDocument) -> None:
        try:
            await self.catch_up(document)
        except HubbubError as error:
            # It is looked at again when there was silence for a while.
            log.warning("document %s cannot be followed now: %s", document.id, error)
        finally:
            self._looking.discard(document.log)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
