"""Which node owns a document: the one that has the lease, and said so in the document's log.

A claim is a record of the log that changes nothing: whose it is, and a number that grows. It is appended on
condition, as everything is, and so it fences: what an owner before it thought to be next is refused from then on,
however late it wakes. The lease says who may claim when, and when an owner that is gone may be followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub import TryLater
from hubbub.collab.archive import answer
from hubbub.collab.authors import OWNER
from hubbub.collab.following import Following
from hubbub.collab.live import LiveDocument
from hubbub.collab.records import Record, encode_record
from hubbub.ports import Append, Lease, Refused, Registry, SharedLog


class Tenure:
    """This node's, of one document."""

    def __init__(
        self,
        document: LiveDocument,
        run: str,
        registry: Registry,
        store: SharedLog,
        following: Following,
        *,
        seconds: float,
        wall_ms: Callable[[], int],
    ) -> None:
        """`run` names this node as no other run of any is named; a lease is for so many `seconds`."""
        self._document = document
        self._run = run
        self._registry = registry
        self._store = store
        self._following = following
        self._seconds = seconds
        self._wall_ms = wall_ms
        self._lease: Lease | None = None
        self._until = 0.0
        self._used = 0.0

    @property
    def is_held(self) -> bool:
        """Whether what is appended here is in order. It is used now."""
        now = self._now()
        if now >= self._until or self._document.owner != self._run:
            return False
        self._used = now
        return True

    @property
    def is_due(self) -> bool:
        """Whether it is to be renewed: it is used, and much of its time is over."""
        now = self._now()
        return now < self._until < now + self._seconds * 0.6 and self._used > now - self._seconds

    def drop(self) -> None:
        """The log is not what its owner would know it to be: it is not held any more."""
        self._until = 0.0

    async def take(self) -> bool:
        """Takes the lease, or renews it, and claims the document in its log. False while another node has it.

        Raises what the registry raises, and `HubbubError` when the log is away.
        """
        # Before it is asked for, so that it is over here before it is for others.
        until = self._now() + self._seconds
        lease = await answer(self._registry.lease(f"document/{self._document.id}", self._run, self._seconds))
        if lease is None:
            self._until = 0.0
            return False
        self._lease = lease
        while self._now() < until:
            if self._document.owner == self._run:
                self._until = until
                return True
            await self._following.catch_up(self._document)
            if self._document.pending or self._document.is_reloading:
                break
            if self._document.owner != self._run:
                await self._say(self._run, lease)
        return False

    async def give_up(self) -> None:
        """Whoever writes next owns it: nobody has to wait until the lease is over."""
        document, lease = self._document, self._lease
        self._until = 0.0
        if lease is None:
            return
        if document.owner == self._run and not document.pending and not document.is_reloading:
            await self._say("", lease)
        await answer(self._registry.release(lease))

    async def _say(self, owner: str, lease: Lease) -> None:
        """Appends who owns it, unless the log is further than what is known of it here."""
        document = self._document
        known = document.authors.find(OWNER)
        # A registry may have lost what it knew, and count from 1 again.
        fence = lease.fence if known is None else max(lease.fence, known.seq + 1)
        length = document.text.length
        record = encode_record(Record([length] if length else [], OWNER, fence, owner, self._wall_ms()))
        [result] = await answer(self._store.append([Append(document.log, record, expected=document.durable)]))
        if not isinstance(result, Refused):
            self._following.take(document, result.epoch, ((result.offset, record),))
        elif result.code != "conflict":
            raise TryLater("unavailable", result.reason, retry_after_ms=1000)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
