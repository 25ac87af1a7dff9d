"""What the broker can be asked: each method's arguments, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Raw

from hubbub.backends.broker.frames import Arrived, encode
from hubbub.backends.broker.log import Outcome
from hubbub.ports import (
    Append,
    Appended,
    Directory,
    DocumentLog,
    Lease,
    NodeRecord,
    Presence,
    Refused,
    Registry,
    SessionRecord,
    Sessions,
    Snapshot,
    Snapshots,
)
from hubbub.protocol.payloads import Position


class Stores(NamedTuple):
    """What the broker serves. It closes none of them."""

    log: DocumentLog
    sessions: Sessions
    directory: Directory
    snapshots: Snapshots
    presence: Presence
    registry: Registry


class Client(Protocol):
    """A worker, as far as its requests are about itself."""

    def event(self, log: str, body: bytes) -> None:
        """Tells of new records of a log; they may be left out, which is then told."""
        ...

    def post(self, topic: str, message: bytes) -> None:
        """Passes a message on, or drops it."""
        ...


Handler = Callable[..., Any]
"""Gets the client and the arguments; what it returns, or what that comes to, is the answer."""


class Desk:
    """Answers requests from the stores, and tells followers of what is appended."""

    def __init__(self, stores: Stores) -> None:
        self._log = stores.log
        self._registry = stores.registry
        self._presence = stores.presence
        self._followers: dict[str, dict[Client, None]] = {}
        self._topics: dict[str, dict[Client, None]] = {}
        self._calls: dict[str, tuple[Callable[[Raw], tuple[Any, ...]], Handler]] = {}
        self._add_log()
        self._add_stores(stores.sessions, stores.directory)
        self._add_snapshots(stores.snapshots)
        self._add_members()
        self._add_mailbox()

    def answer(self, client: Client, method: str, args: Raw) -> Any:
        """The answer, or an awaitable of it. Raises whatever is wrong with the request or the store."""
        decode, handler = self._calls[method]
        return handler(client, *decode(args))

    def left(self, client: Client) -> None:
        """The worker is gone: it follows nothing any more. As a node it is forgotten when it is not renewed."""
        for table in (self._followers, self._topics):
            for name in [name for name, clients in table.items() if client in clients]:
                self._drop(table, name, client)

    # --- The methods -----------------------------------------------------------------------------------

    def _add(self, method: str, types: Any, handler: Handler) -> None:
        self._calls[method] = msgspec.msgpack.Decoder(types).decode, handler

    def _add_log(self) -> None:
        log = self._log

        def read(client: Client, name: str, after: int, before: int | None, limit: int, newest: bool) -> Any:
            return log.read(name, after=after, before=before, limit=limit, newest=newest)

        self._add("append", tuple[list[Append]], self._append)
        self._add("read", tuple[str, int, int | None, int, bool], read)
        self._add("head", tuple[str], lambda client, name: log.head(name))
        self._add("follow", tuple[str], self._follow)
        self._add("unfollow", tuple[str], lambda client, name: self._drop(self._followers, name, client))
        self._add("trim", tuple[str, int], lambda client, name, upto: log.trim(name, upto))
        self._add("forget", tuple[str], lambda client, session: log.forget(session))

    def _add_stores(self, sessions: Sessions, directory: Directory) -> None:
        self._add("sessions.save", tuple[SessionRecord], lambda client, record: sessions.save(record))
        self._add("sessions.load", tuple[str], lambda client, digest: sessions.load(digest))
        self._add("sessions.delete", tuple[str], lambda client, digest: sessions.delete(digest))
        self._add("sessions.of_user", tuple[str], lambda client, user: sessions.of_user(user))
        self._add("sessions.of_connection", tuple[str], lambda client, id: sessions.of_connection(id))
        self._add("directory.get", tuple[str], lambda client, name: directory.get(name))
        self._add("directory.put", tuple[str, bytes], lambda client, name, value: directory.put(name, value))
        self._add("directory.create", tuple[str, bytes], lambda client, name, value: directory.create(name, value))
        self._add("directory.delete", tuple[str], lambda client, name: directory.delete(name))
        self._add("directory.names", tuple[str], lambda client, prefix: directory.names(prefix))

    def _add_snapshots(self, snapshots: Snapshots) -> None:
        self._add("snapshots.save", tuple[str, Snapshot], lambda client, *args: snapshots.save(*args))
        self._add("snapshots.latest", tuple[str], lambda client, document: snapshots.latest(document))
        self._add("snapshots.before", tuple[str, str, int], lambda client, *args: snapshots.before(*args))
        self._add("snapshots.saved", tuple[str], lambda client, document: snapshots.saved(document))
        self._add("snapshots.drop", tuple[str, str, int], lambda client, *args: snapshots.drop(*args))
        self._add("snapshots.names", tuple[()], lambda client: snapshots.names())

    def _add_members(self) -> None:
        presence, registry = self._presence, self._registry

        def join(client: Client, space: str, user: str, session: str, node: str, limit: int | None) -> Any:
            return presence.join(space, user, session, node, limit=limit)

        self._add("presence.join", tuple[str, str, str, str, int | None], join)
        self._add("presence.leave", tuple[str, str, str, str], lambda client, *args: presence.leave(*args))
        self._add("presence.members", tuple[str, int], lambda client, *args: presence.members(*args))
        self._add("presence.drop", tuple[str], lambda client, node: presence.drop(node))
        self._add("presence.holders", tuple[()], lambda client: presence.holders())
        self._add("registry.announce", tuple[NodeRecord, float], lambda client, *args: registry.announce(*args))
        self._add("registry.withdraw", tuple[str, str], lambda client, name, run: registry.withdraw(name, run))
        self._add("registry.nodes", tuple[()], lambda client: registry.nodes())
        self._add("registry.lease", tuple[str, str, float], lambda client, *args: registry.lease(*args))
        self._add("registry.release", tuple[Lease], lambda client, lease: registry.release(lease))

    def _add_mailbox(self) -> None:
        self._add("mailbox.open", tuple[str], lambda client, topic: self._enter(self._topics, topic, client))
        self._add("mailbox.leave", tuple[str], lambda client, topic: self._drop(self._topics, topic, client))
        self._add("mailbox.send", tuple[str, bytes], self._send)

    # --- Logs and topics -------------------------------------------------------------------------------

    def _append(self, client: Client, batch: list[Append]) -> Any:
        results = self._log.append(batch)
        return self._append_later(batch, results) if isawaitable(results) else self._appended(batch, results)

    async def _append_later(
        self, batch: list[Append], results: Awaitable[Sequence[Appended | Refused]]
    ) -> list[Outcome]:
        return self._appended(batch, await results)

    def _appended(self, batch: list[Append], results: Sequence[Appended | Refused]) -> list[Outcome]:
        outcomes = []
        news: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Refused):
                outcomes.append(Outcome(code=result.code, reason=result.reason))
                continue
            outcomes.append(Outcome(result.epoch, result.offset, result.repeated))
            if not result.repeated and item.log in self._followers:
                news.setdefault((item.log, result.epoch), []).append((result.offset, item.record))
        for (name, epoch), entries in news.items():
            # Made once, whoever follows.
            body = encode(Arrived(name, epoch, entries))
            for follower in self._followers[name]:
                follower.event(name, body)
        return outcomes

    def _follow(self, client: Client, name: str) -> Awaitable[Position] | Position:
        self._enter(self._followers, name, client)
        return self._log.head(name)

    def _send(self, client: Client, topic: str, message: bytes) -> None:
        for one in self._topics.get(topic, ()):
            one.post(topic, message)

    def _enter(self, table: dict[str, dict[Client, None]], name: str, client: Client) -> None:
        table.setdefault(name, {})[client] = None

    def _drop(self, table: dict[str, dict[Client, None]], name: str, client: Client) -> None:
        clients = table.get(name, {})
        clients.pop(client, None)
        if not clients:
            table.pop(name, None)
