"""Snapshots of documents on Redis: those of one document together, documents spread over a cluster."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec

from hubbub.backends.redis.answers import answered, nothing
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names
from hubbub.ports import SavedSnapshot, Snapshot

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


class RedisSnapshots:
    """Implements `Snapshots`. They stay until they are dropped."""

    def __init__(self, client: RedisClient, names: Names) -> None:
        self._calls = Calls(client)
        self._names = names
        self._index = (names.common("documents"),)

    async def save(self, document: str, snapshot: Snapshot) -> None:
        # Known by its name before there is anything: a failure in between hides nothing.
        await answered(self._calls.call("fact_put", self._index, document, b""), nothing)
        content = _encode((snapshot.text, snapshot.authors))
        args = (snapshot.epoch, snapshot.revision, repr(snapshot.at), content)
        await answered(self._call("snapshot_save", document, *args), nothing)

    def latest(self, document: str) -> Awaitable[Snapshot | None]:
        return answered(self._call("snapshot_latest", document), _snapshot)

    def before(self, document: str, epoch: str, revision: int) -> Awaitable[Snapshot | None]:
        return answered(self._call("snapshot_before", document, epoch, revision), _snapshot)

    def saved(self, document: str) -> Awaitable[Sequence[SavedSnapshot]]:
        return answered(self._call("snapshots_saved", document), lambda said: [_saved(entry) for entry in said])

    def drop(self, document: str, epoch: str, revision: int) -> Awaitable[None]:
        return answered(self._call("snapshots_drop", document, epoch, revision), nothing)

    def names(self) -> Awaitable[Sequence[str]]:
        """The documents that were saved once, or were about to be."""
        named = self._calls.call("fact_names", self._index, "")
        return answered(named, lambda names: sorted(name.decode() for name in names))

    async def close(self) -> None:
        await self._calls.drain()

    def _call(self, function: str, document: str, *args: str | bytes | int) -> Awaitable[Any]:
        return self._calls.call(function, self._names.snapshots(document), *args)


def _snapshot(said: Sequence[bytes] | None) -> Snapshot | None:
    if said is None:
        return None
    epoch, revision, at, content = said
    text, authors = _decode(content)
    return Snapshot(epoch.decode(), int(revision), float(at), text, authors)


def _saved(entry: bytes) -> SavedSnapshot:
    epoch, revision, at = entry.decode().split(" ")
    return SavedSnapshot(epoch, int(revision), float(at))
