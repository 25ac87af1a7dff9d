"""Sessions in ZooKeeper: a node for each, and indexes whose nodes bear its digest.

    ROOT/sessions/AB/DIGEST            the record; AB are the first two digits, so that no node has too many below it
    ROOT/users/user-NAME/DIGEST        a session of the user
    ROOT/connections/connection-ID/DIGEST

A save is one transaction. What it needs to know of the node it knows from its last save or load; when that was wrong
the transaction does nothing, and it looks.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from kazoo.exceptions import NodeExistsError, NoNodeError
from msgspec.structs import replace

from hubbub.backends.zookeeper.client import Client, segment
from hubbub.errors import TryLater
from hubbub.ports import SessionRecord

log = logging.getLogger("hubbub.zookeeper")

T = TypeVar("T")

SWEEP_INTERVAL = 10.0
"""Seconds between sweeps; each looks at one of `_SHARDS` parts, at no more than `_SWEPT` sessions of it."""

_SHARDS = 256
_SWEPT = 100
_ATTEMPTS = 20
_KNOWN = 20_000
"""Sessions of which it is known how their nodes were; another one is looked at before it is saved."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SessionRecord).decode


class _Known(NamedTuple):
    """What a session's node was when it was last seen: its version, and the record (in memory without its state)."""

    version: int
    record: SessionRecord


class ZookeeperSessions:
    """Implements `Sessions`. While ZooKeeper does not answer, everything raises `TryLater` (`unavailable`).

    `wall` gives the seconds since 1970 that expiry goes by. Whoever made the client closes it.
    """

    def __init__(self, client: Client, *, wall: Callable[[], float] = time.time) -> None:
        self._client = client
        self._wall = wall
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changes: dict[str, asyncio.Task[Any]] = {}
        """The last change of each session that is under way: the next one waits for it."""

    def save(self, record: SessionRecord) -> Awaitable[bool]:
        return self._in_turn(record.digest, self._save(record))

    async def load(self, digest: str) -> SessionRecord | None:
        return self._unexpired(await self._look(digest))

    def delete(self, digest: str) -> Awaitable[None]:
        return self._in_turn(digest, self._delete(digest))

    async def of_user(self, user: str) -> Sequence[SessionRecord]:
        digests = await self._client.children(self._index("user", user))
        found = await asyncio.gather(*(self.load(digest) for digest in digests))
        records = [record for record in found if record is not None and record.user == user]
        return sorted(records, key=lambda record: record.created)

    async def of_connection(self, connection: str) -> SessionRecord | None:
        if not connection:
            return None
        digests = await self._client.children(self._index("connection", connection))
        nodes = await asyncio.gather(*(self._client.get(self._path(digest)) for digest in digests))
        latest = 0
        found = None
        for node in nodes:
            if node is None or node[1].mzxid < latest:
                continue
            record = _decode(node[0])
            if record.connection == connection and record.expires > self._wall():
                latest, found = node[1].mzxid, record
        return found

    async def close(self) -> None:
        """Waits for what was saved."""
        while self._changes:
            await asyncio.wait(self._changes.values())

    async def sweep(self, shard: int) -> int:
        """Deletes what has expired in one part, within bounds. Returns how many there were."""
        digests = list(await self._client.children(f"{self._client.root}/sessions/{shard:02x}"))
        random.shuffle(digests)
        deleted = 0
        for digest in digests[:_SWEPT]:
            known = await self._look(digest)
            if known is not None and self._unexpired(known) is None:
                await self.delete(digest)
                deleted += 1
        return deleted

    async def sweep_on(self, interval: float = SWEEP_INTERVAL) -> None:
        """Deletes what has expired, a part at a time, for ever."""
        # Nodes that start together are not to sweep the same part.
        shard = random.randrange(_SHARDS)  # noqa: S311
        while True:
            await asyncio.sleep(interval)
            shard = (shard + 1) % _SHARDS
            try:
                await self.sweep(shard)
            except TryLater as error:
                log.debug("no sweep: %s", error)
            except Exception:
                log.exception("a sweep failed")

    # --- One change after the other ---------------------------------------------------------------------

    def _in_turn(self, digest: str, change: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        before = self._changes.get(digest)
        task = asyncio.get_running_loop().create_task(self._after(before, change))
        self._changes[digest] = task
        task.add_done_callback(lambda done: self._finished(digest, done))
        return task

    async def _after(self, before: asyncio.Task[Any] | None, change: Coroutine[Any, Any, T]) -> T:
        if before is not None:
            await asyncio.wait([before])
        return await change

    def _finished(self, digest: str, task: asyncio.Task[Any]) -> None:
        if self._changes.get(digest) is task:
            del self._changes[digest]

    # --- What a change does -----------------------------------------------------------------------------

    async def _save(self, record: SessionRecord) -> bool:
        known = self._known.get(record.digest)
        is_certain = False
        for _ in range(_ATTEMPTS):
            newer = self._unexpired(known)
            if newer is None or newer.fence <= record.fence:
                if await self._store(record, known):
                    return True
            elif is_certain:
                return False
            known = await self._look(record.digest)
            is_certain = True
        raise TryLater("unavailable", "others change the same session in ZooKeeper")

    async def _store(self, record: SessionRecord, known: _Known | None) -> bool:
        """Puts the record in place of what is known to be there. False when something else is there."""
        node = self._path(record.digest)
        before = set() if known is None else self._entries(known.record)
        after = self._entries(record)
        changes = _Changes(create=after - before, delete=before - after)
        shard = node.rpartition("/")[0]

        def fill(transaction: Any) -> None:
            if known is None:
                transaction.create(node, _encode(record))
            else:
                transaction.set_data(node, _encode(record), known.version)
            changes.fill(transaction)

        for _ in range(_ATTEMPTS):
            failure = await self._client.commit(fill)
            if failure is None:
                self._remember(record.digest, _Known(0 if known is None else known.version + 1, record))
                await self._tidy(changes.delete)
                return True
            step, error = failure
            if step > 0:
                changes.mend(step - 1, error)
            elif known is None and isinstance(error, NoNodeError):
                await self._client.ensure(shard)
            else:
                break
        self._known.pop(record.digest, None)
        return False

    async def _delete(self, digest: str) -> None:
        for _ in range(_ATTEMPTS):
            known = await self._look(digest)
            if known is None or await self._remove(known):
                return
        raise TryLater("unavailable", "others change the same session in ZooKeeper")

    async def _remove(self, known: _Known) -> bool:
        digest = known.record.digest
        changes = _Changes(create=set(), delete=self._entries(known.record))

        def fill(transaction: Any) -> None:
            transaction.delete(self._path(digest), known.version)
            changes.fill(transaction)

        for _ in range(_ATTEMPTS):
            failure = await self._client.commit(fill)
            if failure is None:
                self._known.pop(digest, None)
                await self._tidy(changes.delete)
                return True
            step, error = failure
            if step == 0:
                return False
            changes.mend(step - 1, error)
        return False

    async def _tidy(self, deleted: Sequence[str]) -> None:
        """An index node that nothing is below any more goes, too."""
        for entry in deleted:
            await self._client.prune(entry.rpartition("/")[0])

    async def _look(self, digest: str) -> _Known | None:
        found = await self._client.get(self._path(digest))
        if found is None:
            self._known.pop(digest, None)
            return None
        known = _Known(found[1].version, _decode(found[0]))
        self._remember(digest, known)
        return known

    def _remember(self, digest: str, known: _Known) -> None:
        # The state is the bulk of it, and of no use here.
        self._known[digest] = known._replace(record=replace(known.record, state=b""))
        self._known.move_to_end(digest)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _unexpired(self, known: _Known | None) -> SessionRecord | None:
        return known.record if known is not None and known.record.expires > self._wall() else None

    # --- Where everything is ----------------------------------------------------------------------------

    def _path(self, digest: str) -> str:
        return f"{self._client.root}/sessions/{digest[:2]}/{digest}"

    def _index(self, kind: str, name: str) -> str:
        return f"{self._client.root}/{kind}s/{segment(kind, name)}"

    def _entries(self, record: SessionRecord) -> set[str]:
        """The nodes by which the session is found."""
        found = {f"{self._index('user', record.user)}/{record.digest}"}
        if record.connection:
            found.add(f"{self._index('connection', record.connection)}/{record.digest}")
        return found


class _Changes:
    """Index nodes to be made and deleted in a transaction, adapted to what is there as that turns out."""

    def __init__(self, *, create: set[str], delete: set[str]) -> None:
        self.delete = sorted(delete)
        # Most often the user's and the connection's first: then there is nothing above it yet.
        self._create = [path for entry in sorted(create) for path in (entry.rpartition("/")[0], entry)]

    def fill(self, transaction: Any) -> None:
        for path in self._create:
            transaction.create(path)
        for path in self.delete:
            transaction.delete(path)

    def mend(self, step: int, error: Exception) -> None:
        """The step failed: what was to be made is there, what was to be deleted is not, or nothing is above it."""
        if step < len(self._create):
            path = self._create[step]
            if isinstance(error, NodeExistsError):
                del self._create[step]
            elif isinstance(error, NoNodeError):
                self._create.insert(step, path.rpartition("/")[0])
            else:
                raise error
        elif isinstance(error, NoNodeError):
            del self.delete[step - len(self._create)]
        else:
            raise error
