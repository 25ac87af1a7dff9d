"""Nodes and leases in ZooKeeper.

    ROOT/nodes/node-NAME        ephemeral: gone as soon as the ensemble takes its process for dead
    ROOT/leases/lease-NAME      who holds it

What is not renewed is gone, too, though its process lives: a node is as old as ZooKeeper's own clock says, so that the
clocks of the nodes may differ. The fence of a lease is the transaction that made its node (`czxid`), which only grows,
over all leases that ever were.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from kazoo.exceptions import BadVersionError, NodeExistsError, NoNodeError
from msgspec import Struct

from hubbub.backends.zookeeper.client import Client, segment
from hubbub.errors import TryLater
from hubbub.ports import Lease, NodeRecord

log = logging.getLogger("hubbub.zookeeper")

_ATTEMPTS = 20
_TIDY_AFTER = 100
"""Announcements after which leases that nobody took again are looked for, as many at most."""


class _Announced(Struct, frozen=True):
    record: NodeRecord
    ttl: float


class _Held(Struct, frozen=True):
    holder: str
    ttl: float


_encode = msgspec.json.Encoder().encode
_decode_node = msgspec.json.Decoder(_Announced).decode
_decode_lease = msgspec.json.Decoder(_Held).decode


class ZookeeperRegistry:
    """Implements `Registry`. While ZooKeeper does not answer, everything raises `TryLater` (`unavailable`).

    `clock` gives seconds; only their differences count. A node whose session the ensemble dropped, since it was cut
    off, is announced again when it is back. Whoever made the client closes it.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._ahead: float | None = None
        """Seconds by which ZooKeeper's clock is ahead of `clock`."""
        self._announced: _Announced | None = None
        self._until_tidy = _TIDY_AFTER
        self._announcing: asyncio.Task[None] | None = None
        self._closed = False
        client.on_new_session(self._announce_again)

    async def announce(self, record: NodeRecord, ttl: float) -> bool:
        announced = _Announced(record, ttl)
        path = self._path("node", record.name)
        for _ in range(_ATTEMPTS):
            found = await self._client.get(path)
            known = None if found is None else _decode_node(found[0])
            if found is not None and known is not None:
                if known.record.run != record.run and await self._lives(found[1], known.ttl):
                    return False
                is_ours = known.record.run == record.run and found[1].ephemeralOwner == self._client.session_id
                done = await (self._renew if is_ours else self._replace)(path, announced, found[1])
            else:
                done = await self._create(path, announced, ephemeral=True)
            if done:
                self._announced = announced
                await self._tidy()
                return True
        raise _contended(path)

    async def withdraw(self, name: str, run: str) -> None:
        if self._announced is not None and self._announced.record.run == run:
            self._announced = None
        path = self._path("node", name)
        for _ in range(_ATTEMPTS):
            found = await self._client.get(path)
            if found is None or _decode_node(found[0]).record.run != run or await self._delete(path, found[1]):
                return
        raise _contended(path)

    async def nodes(self) -> Sequence[NodeRecord]:
        above = f"{self._client.root}/nodes"
        names = await self._client.children(above)
        found = await asyncio.gather(*(self._client.get(f"{above}/{name}") for name in names))
        living = []
        for node in found:
            if node is not None:
                announced = _decode_node(node[0])
                if await self._lives(node[1], announced.ttl):
                    living.append(announced.record)
        return sorted(living, key=lambda record: record.name)

    async def lease(self, name: str, holder: str, ttl: float) -> Lease | None:
        held = _Held(holder, ttl)
        path = self._path("lease", name)
        for _ in range(_ATTEMPTS):
            found = await self._client.get(path)
            if found is None:
                await self._create(path, held, ephemeral=False)
            else:
                known = _decode_lease(found[0])
                if not await self._lives(found[1], known.ttl):
                    await self._delete(path, found[1])
                elif known.holder != holder:
                    return None
                elif await self._renew(path, held, found[1]):
                    return Lease(name, holder, found[1].czxid)
        raise _contended(path)

    async def release(self, lease: Lease) -> None:
        path = self._path("lease", lease.name)
        for _ in range(_ATTEMPTS):
            found = await self._client.get(path)
            if found is None or (_decode_lease(found[0]).holder, found[1].czxid) != (lease.holder, lease.fence):
                return
            if await self._delete(path, found[1]):
                return
        raise _contended(path)

    async def close(self) -> None:
        """The node is not announced again; it is gone when the connection is."""
        self._closed = True
        if self._announcing is not None:
            self._announcing.cancel()

    # --- Single steps: each returns whether it was done, or somebody else was quicker ---------------------

    async def _create(self, path: str, value: _Announced | _Held, *, ephemeral: bool) -> bool:
        try:
            _, status = await self._client.ask(
                lambda kazoo: kazoo.create_async(
                    path, _encode(value), ephemeral=ephemeral, makepath=True, include_data=True
                )
            )
        except NodeExistsError:
            return False
        self._set_clock(status)
        return True

    async def _renew(self, path: str, value: _Announced | _Held, status: Any) -> bool:
        try:
            renewed = await self._client.ask(lambda kazoo: kazoo.set_async(path, _encode(value), status.version))
        except (BadVersionError, NoNodeError):
            return False
        self._set_clock(renewed)
        return True

    async def _replace(self, path: str, value: _Announced, status: Any) -> bool:
        """In place of what an earlier session or run left."""

        def fill(transaction: Any) -> None:
            transaction.delete(path, status.version)
            transaction.create(path, _encode(value), ephemeral=True)

        return await self._client.commit(fill) is None

    async def _delete(self, path: str, status: Any) -> bool:
        try:
            await self._client.ask(lambda kazoo: kazoo.delete_async(path, status.version))
        except NoNodeError:
            return True
        except BadVersionError:
            return False
        return True

    # --- Time -------------------------------------------------------------------------------------------

    async def _lives(self, status: Any, ttl: float) -> bool:
        """Whether a node was renewed within its time, by ZooKeeper's clock."""
        if self._ahead is None:
            path = f"{self._client.root}/clock"
            await self._client.ensure(path)
            self._set_clock(await self._client.ask(lambda kazoo: kazoo.set_async(path, b"")))
        assert self._ahead is not None
        return bool(status.mtime / 1000 + ttl > self._clock() + self._ahead)

    def _set_clock(self, status: Any) -> None:
        self._ahead = status.mtime / 1000 - self._clock()

    # --- Upkeep -----------------------------------------------------------------------------------------

    def _announce_again(self) -> None:
        if self._announced is not None and not self._closed:
            self._announcing = asyncio.get_running_loop().create_task(self._announce_known(self._announced))

    async def _announce_known(self, announced: _Announced) -> None:
        try:
            if not await self.announce(announced.record, announced.ttl):
                log.warning("another run has the name %r now", announced.record.name)
        except TryLater as error:
            # The node announces itself all the time: the next time will do.
            log.debug("not announced again: %s", error)

    async def _tidy(self) -> None:
        """Leases that nobody took again do not pile up."""
        self._until_tidy -= 1
        if self._until_tidy:
            return
        self._until_tidy = _TIDY_AFTER
        above = f"{self._client.root}/leases"
        for name in list(await self._client.children(above))[:_TIDY_AFTER]:
            found = await self._client.get(f"{above}/{name}")
            if found is not None and not await self._lives(found[1], _decode_lease(found[0]).ttl):
                await self._delete(f"{above}/{name}", found[1])

    def _path(self, kind: str, name: str) -> str:
        return f"{self._client.root}/{kind}s/{segment(kind, name)}"


def _contended(path: str) -> TryLater:
    return TryLater("unavailable", f"others change {path} in ZooKeeper")
