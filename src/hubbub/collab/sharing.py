"""Documents that several nodes serve: one of them owns each, and the others forward to it and follow its log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hubbub.collab.archive import Archive
from hubbub.collab.authors import OWNER
from hubbub.collab.following import Following
from hubbub.collab.forwarding import Forwarded, Outgoing, Post, Refusal, read_forwarded
from hubbub.collab.live import LiveDocument
from hubbub.collab.options import DocumentOptions
from hubbub.collab.tasks import Tasks
from hubbub.collab.tenure import Tenure
from hubbub.collab.window import Edit
from hubbub.ports import Mailbox, Registry, SharedLog

log = logging.getLogger("hubbub.collab")

_AGAIN = 0.9
"""Seconds after which what has no answer is sent again, and the lease asked for."""
_PATIENCE = 3.0
"""Seconds, beyond those of a lease, after which an operation without an answer is refused."""


class Peers(NamedTuple):
    """What nodes share beside the log that documents are in; `run` is this node's name, of this one run."""

    registry: Registry
    mailbox: Mailbox
    run: str


class Shared:
    """What is known here of one document."""

    __slots__ = ("document", "is_asking", "outgoing", "tenure")

    def __init__(self, document: LiveDocument, tenure: Tenure, outgoing: Outgoing) -> None:
        self.document = document
        self.tenure = tenure
        self.outgoing = outgoing
        self.is_asking = False
        """Whether the lease is being asked for."""


class Sharing:
    """This node's part. What it needs of the authority it is given as functions."""

    def __init__(
        self,
        peers: Peers,
        store: SharedLog,
        archive: Archive,
        options: DocumentOptions,
        tasks: Tasks,
        *,
        wall_ms: Callable[[], int],
        find: Callable[[str], LiveDocument | None],
        take_in: Callable[[LiveDocument, list[Edit]], None],
        reload: Callable[[LiveDocument], None],
        touch: Callable[[LiveDocument], None],
        wanted: Callable[[Forwarded], None],
    ) -> None:
        """`take_in` is given what other nodes appended, `wanted` what they forward of documents not in memory."""
        self._peers = peers
        self._store = store
        self._options = options
        self._tasks = tasks
        self._wall_ms = wall_ms
        self._touch = touch
        self._wanted = wanted
        self._by_id: dict[str, Shared] = {}
        self._is_away = False
        """Whether leases cannot be had: that is said once."""
        self.following = Following(store, archive, tasks, find=find, take_in=take_in, reload=reload)
        self._post = Post(peers.mailbox, peers.run, forwarded=self._take_mail, refused=self._refused)

    # --- The authority's questions ---------------------------------------------------------------------

    def may_write(self, document: LiveDocument) -> bool:
        """Whether this node owns the document. If not, what waits in its queue goes to whoever does."""
        shared = self._by_id.get(document.id)
        if shared is None:
            return False
        if shared.tenure.is_held:
            return True
        is_free = document.owner in ("", self._peers.run)
        # A lease lasts while it is used: of one who was silent for so long it is over.
        if is_free or (not shared.outgoing and self.following.is_quiet(document, self._options.lease_seconds)):
            self._ask(shared)
        else:
            self._send(shared)
        return False

    def may_save(self, document: LiveDocument) -> bool:
        """Whether snapshots of it are this node's business."""
        return document.owner in ("", self._peers.run)

    async def begin(self, id: str) -> None:
        """The document is about to be read. Raises `TryLater` (`unavailable`)."""
        await self._post.open()
        await self.following.begin(id)

    def opened(self, document: LiveDocument) -> None:
        """It is in memory from now on."""
        peers = self._peers
        tenure = Tenure(
            document,
            peers.run,
            peers.registry,
            self._store,
            self.following,
            seconds=self._options.lease_seconds,
            wall_ms=self._wall_ms,
        )
        self._by_id[document.id] = Shared(document, tenure, Outgoing(document, self._options.max_queued))
        self.following.settled(document)

    def closed(self, document: LiveDocument) -> None:
        """It is in memory no more."""
        self._by_id.pop(document.id, None)
        self.following.end(document.id)

    def conflicted(self, document: LiveDocument) -> None:
        """The log has what was not known of here: maybe another owner's."""
        self._by_id[document.id].tenure.drop()

    def reloaded(self, document: LiveDocument) -> None:
        """It was read anew: what is not in it yet goes on to whoever owns it now."""
        self.following.settled(document)
        shared = self._by_id.get(document.id)
        if shared is not None and shared.outgoing:
            self._ask(shared)

    def appended(self, document: LiveDocument, edits: Sequence[Edit]) -> None:
        """These are in its log, and known here."""
        shared = self._by_id.get(document.id)
        if shared is None:
            return
        shared.outgoing.appended(edits)
        if shared.outgoing and any(edit.client_id == OWNER for edit in edits):
            # What the one before was sent may never have come.
            self._touch(document)
            self._ask(shared) if document.owner == "" else self._send(shared)

    def sweep(self) -> None:
        """To be called about once a second."""
        now = self._now()
        for shared in list(self._by_id.values()):
            self.following.sweep(shared.document)
            shared.outgoing.expire(now - self._options.lease_seconds - _PATIENCE)
            if shared.tenure.is_due or (shared.outgoing and shared.outgoing.oldest() <= now - _AGAIN):
                self._ask(shared)

    def close(self) -> None:
        """Nothing of other nodes' authors is taken any more."""
        self._post.close()

    async def hand_over(self) -> None:
        """Nobody has to wait for this node, which stops."""
        await asyncio.gather(*(self._give_up(shared) for shared in self._by_id.values()))
        for shared in list(self._by_id.values()):
            self.closed(shared.document)

    # --- Inside ----------------------------------------------------------------------------------------

    def _ask(self, shared: Shared) -> None:
        """Asks for the lease, soon: for the first time, to keep it, or because its holder does not answer."""
        if not shared.is_asking:
            shared.is_asking = True
            self._tasks.start(self._take(shared))

    async def _give_up(self, shared: Shared) -> None:
        try:
            await shared.tenure.give_up()
        except Exception as error:
            log.warning("document %s was not handed over: %s", shared.document.id, error)

    async def _take(self, shared: Shared) -> None:
        is_taken = False
        try:
            async with asyncio.timeout(self._options.lease_seconds):
                is_taken = await shared.tenure.take()
            self._is_away = False
        except Exception as error:
            if not self._is_away:
                log.warning("documents cannot be owned now, which is tried again until they can: %r", error)
            self._is_away = True
        finally:
            shared.is_asking = False
        if is_taken:
            shared.outgoing.take_back()
            self._touch(shared.document)
        else:
            self._send(shared)

    def _send(self, shared: Shared) -> None:
        """To whoever owns it, as far as is known; if nobody does, it waits until the lease can be had."""
        document, now = shared.document, self._now()
        if document.is_reloading:
            return
        shared.outgoing.gather(now)
        for submission in shared.outgoing.take(now):
            if document.owner not in ("", self._peers.run):
                self._post.forward(document.owner, document, submission)

    def _take_mail(self, mail: Forwarded) -> None:
        shared = self._by_id.get(mail.document)
        if shared is None:
            self._wanted(mail)
        else:
            self.take_forwarded(shared.document, mail)

    def take_forwarded(self, document: LiveDocument, mail: Forwarded) -> None:
        """An operation of another node's author. Beyond what may wait it is dropped: it comes again."""
        document.used = self._now()
        if len(document.queue) < self._options.max_queued:
            document.queue.append(read_forwarded(self._post, mail))
            self._touch(document)

    def _refused(self, refusal: Refusal) -> None:
        shared = self._by_id.get(refusal.document)
        if shared is not None:
            shared.outgoing.refused(refusal)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
