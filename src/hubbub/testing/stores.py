"""The small ports at the end of a line (`hubbub.testing.backend`): every answer takes a way there and a way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hubbub.ports import (
    Directory,
    Joined,
    Lease,
    Left,
    Mailbox,
    Members,
    NodeRecord,
    Presence,
    Registry,
    SavedSnapshot,
    SessionRecord,
    Sessions,
    Snapshot,
    Snapshots,
)
from hubbub.testing.backend import Line


class LineSessions:
    """Implements `Sessions` over others, at the end of a line."""

    def __init__(self, line: Line, inner: Sessions) -> None:
        self._line = line
        self._inner = inner

    async def save(self, record: SessionRecord) -> bool:
        return await self._line.call(lambda: self._inner.save(record))

    async def load(self, digest: str) -> SessionRecord | None:
        return await self._line.call(lambda: self._inner.load(digest))

    async def delete(self, digest: str) -> None:
        await self._line.call(lambda: self._inner.delete(digest))

    async def of_user(self, user: str) -> Sequence[SessionRecord]:
        return await self._line.call(lambda: self._inner.of_user(user))

    async def of_connection(self, connection: str) -> SessionRecord | None:
        return await self._line.call(lambda: self._inner.of_connection(connection))

    def close(self) -> None:
        """The other nodes go on with them."""


class LineSnapshots:
    """Implements `Snapshots` over others, at the end of a line."""

    def __init__(self, line: Line, inner: Snapshots) -> None:
        self._line = line
        self._inner = inner

    async def save(self, document: str, snapshot: Snapshot) -> None:
        await self._line.call(lambda: self._inner.save(document, snapshot))

    async def latest(self, document: str) -> Snapshot | None:
        return await self._line.call(lambda: self._inner.latest(document))

    async def before(self, document: str, epoch: str, revision: int) -> Snapshot | None:
        return await self._line.call(lambda: self._inner.before(document, epoch, revision))

    async def saved(self, document: str) -> Sequence[SavedSnapshot]:
        return await self._line.call(lambda: self._inner.saved(document))

    async def drop(self, document: str, epoch: str, revision: int) -> None:
        await self._line.call(lambda: self._inner.drop(document, epoch, revision))

    async def names(self) -> Sequence[str]:
        return await self._line.call(self._inner.names)

    def close(self) -> None:
        """The other nodes go on with them."""


class LineDirectory:
    """Implements `Directory` over another one, at the end of a line."""

    def __init__(self, line: Line, inner: Directory) -> None:
        self._line = line
        self._inner = inner

    async def get(self, name: str) -> bytes | None:
        return await self._line.call(lambda: self._inner.get(name))

    async def put(self, name: str, value: bytes) -> None:
        await self._line.call(lambda: self._inner.put(name, value))

    async def create(self, name: str, value: bytes) -> bool:
        return await self._line.call(lambda: self._inner.create(name, value))

    async def delete(self, name: str) -> None:
        await self._line.call(lambda: self._inner.delete(name))

    async def names(self, prefix: str) -> Sequence[str]:
        return await self._line.call(lambda: self._inner.names(prefix))

    def close(self) -> None:
        """The other nodes go on with it."""


class LinePresence:
    """Implements `Presence` over another one, at the end of a line."""

    def __init__(self, line: Line, inner: Presence) -> None:
        self._line = line
        self._inner = inner

    async def join(self, space: str, user: str, session: str, node: str, *, limit: int | None = None) -> Joined | None:
        return await self._line.call(lambda: self._inner.join(space, user, session, node, limit=limit))

    async def leave(self, space: str, user: str, session: str, node: str) -> Left:
        return await self._line.call(lambda: self._inner.leave(space, user, session, node))

    async def members(self, space: str, limit: int) -> Members:
        return await self._line.call(lambda: self._inner.members(space, limit))

    async def drop(self, node: str) -> Sequence[Left]:
        return await self._line.call(lambda: self._inner.drop(node))

    async def holders(self) -> Sequence[str]:
        return await self._line.call(self._inner.holders)

    def close(self) -> None:
        """The other nodes go on with it."""


class LineRegistry:
    """Implements `Registry` over another one, at the end of a line."""

    def __init__(self, line: Line, inner: Registry) -> None:
        self._line = line
        self._inner = inner

    async def announce(self, record: NodeRecord, ttl: float) -> bool:
        return await self._line.call(lambda: self._inner.announce(record, ttl))

    async def withdraw(self, name: str, run: str) -> None:
        await self._line.call(lambda: self._inner.withdraw(name, run))

    async def nodes(self) -> Sequence[NodeRecord]:
        return await self._line.call(self._inner.nodes)

    async def lease(self, name: str, holder: str, ttl: float) -> Lease | None:
        return await self._line.call(lambda: self._inner.lease(name, holder, ttl))

    async def release(self, lease: Lease) -> None:
        await self._line.call(lambda: self._inner.release(lease))

    def close(self) -> None:
        """The other nodes go on with it."""


class LineMailbox:
    """Implements `Mailbox` over another one, at the end of a line. What is under way when that is cut is lost.

    Topics overtake each other, as they do where each is at another server.
    """

    def __init__(self, line: Line, inner: Mailbox) -> None:
        self._line = line
        self._inner = inner

    async def open(self, topic: str, receive: Callable[[bytes], None]) -> None:
        await self._line.call(
            lambda: self._inner.open(topic, lambda message: self._line.bring(receive, message, way=f"mail/{topic}"))
        )

    def leave(self, topic: str) -> None:
        self._inner.leave(topic)

    def send(self, topic: str, message: bytes) -> None:
        self._line.bring(self._inner.send, topic, message, way=f"mail/{topic}")

    def close(self) -> None:
        self._inner.close()
