"""The application object: what `FastAPI()` is for HTTP, `Hubbub()` is for messages."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, Unpack

from hubbub.app.authentication import Authentication, JwtAuthentication
from hubbub.app.consumers import BatchConsumer, BatchOptions
from hubbub.app.gatekeeper import Gatekeeper
from hubbub.app.publishing import Publisher
from hubbub.app.registration import Registration
from hubbub.app.spaces import GroupSpace, RoomSpace
from hubbub.app.stores import Stores, open_stores
from hubbub.app.subscriptions import ChannelReading
from hubbub.config import Settings
from hubbub.errors import ConfigurationError, HubbubError
from hubbub.hub.hub import Hub, wall_ms
from hubbub.hub.kinds import ChannelHandler, Kinds
from hubbub.hub.users import User
from hubbub.hub.watch import ConnectionStatistics, HubStatistics
from hubbub.node.cluster import Cluster
from hubbub.node.node import Node
from hubbub.ports import Directory, Log, Mailbox, Presence, Registry, Sessions, Snapshots
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position
from hubbub.protocol.schema import json_schema
from hubbub.protocol.wire import Wire
from hubbub.server.server import Server

log = logging.getLogger("hubbub.app")

F = TypeVar("F", bound=Callable[..., Any])


class Hubbub(Registration):
    """A hub with its server, rooms, groups and handlers.

    Settings come as one `Settings`, or by name: `Hubbub(anonymous=True, port=9000)`. `log` is a setting too
    (`sqlite:///path/to/file`, which is opened here), or a store of your own, with `sessions` and `directory` if they
    are to outlive the process, `presence`, `registry` and `mailbox` if there are several nodes, and `snapshots` for
    documents. Register message types and handlers first; then `run()` in a script, or `async with app.serve():`
    beside other asyncio code.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        log: Log | str | None = None,
        sessions: Sessions | str | None = None,
        directory: Directory | None = None,
        presence: Presence | None = None,
        registry: Registry | str | None = None,
        mailbox: Mailbox | None = None,
        snapshots: Snapshots | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
        **named: Any,
    ) -> None:
        stores: dict[str, Any] = {"log": log, "sessions": sessions, "registry": registry}
        named |= {name: stores.pop(name) for name in tuple(stores) if isinstance(stores[name], str)}
        if settings is not None and named:
            raise ConfigurationError("settings", "give one Settings or settings by name, not both")
        self.settings = settings or Settings(**named)
        super().__init__(JwtAuthentication(self.settings.jwt) if self.settings.jwt is not None else None)
        if stores.get("log") is None:
            alone = {**stores, "directory": directory, "presence": presence, "mailbox": mailbox, "snapshots": snapshots}
            for name, store in alone.items():
                if store is not None:
                    raise ConfigurationError(name, "a store of your own goes with a `log` of your own: give both")
            self.stores = open_stores(self.settings, clock, wall)
        else:
            self.stores = Stores(**stores, directory=directory, presence=presence, mailbox=mailbox, snapshots=snapshots)
        node = Node(
            self.settings,
            Wire(self.catalog),
            self.stores.log,
            self.stores.sessions,
            self.stores.directory,
            presence=self.stores.presence,
            registry=self.stores.registry,
            mailbox=self.stores.mailbox,
            snapshots=self.stores.snapshots,
            clock=clock,
            wall=wall,
        )
        self.settings = node.settings
        self._server = Server(node)
        self.rooms = RoomSpace(self.hub)
        self.groups = GroupSpace(self.hub)
        self._publisher = Publisher(self.hub)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._consumers: list[BatchConsumer] = []

    @property
    def hub(self) -> Hub:
        """The hub itself, for what this class has no method for."""
        return self._server.hub

    @property
    def server(self) -> Server:
        """What has the sockets; `attach` joins peers that come another way."""
        return self._server

    @property
    def url(self) -> str:
        """`http://HOST:PORT` of the running server; clients connect to `/ws` there."""
        return self._server.url

    # --- Channels --------------------------------------------------------------------------------------

    def batch(self, channel: str, **options: Unpack[BatchOptions]) -> Callable[[F], F]:
        """Registers `process(messages)`, async or not, for what comes in a channel or topic pattern, in batches.

        A batch goes at `size` messages, or `wait` seconds after its first. `BatchConsumer` says what becomes of
        one that fails, and of messages that come faster than they are processed. Register before the start.
        """

        def register(process: F) -> F:
            self._consumers.append(BatchConsumer(self.hub, channel, process, **options))
            return process

        return register

    def channel(self, kind: str, handler: ChannelHandler) -> None:
        """Has a kind of channel served by `handler`: its messages go there, and its logs (`stores`) are its affair.

        The hub leaves the kind `doc` to this; `hubbub.collab.Documents` is such a handler. Raises
        `ConfigurationError` for another kind, or one that is served already.
        """
        if kind not in Kinds.SERVED or self.hub.kinds.is_served(kind):
            raise ConfigurationError(f"channel {kind!r}", "say doc, once")
        self.hub.kinds.serve(kind, handler)

    # --- Sending ---------------------------------------------------------------------------------------

    async def publish(
        self,
        channel: str,
        payload: Any,
        *,
        type: str | None = None,
        sender: str = "server",
        metadata: dict[str, Any] | None = None,
        message_id: str | None = None,
    ) -> Position:
        """Publishes to a channel, and returns its position once the log has it.

        `payload` is a payload object (`Text(...)` or a registered one), a text for short, or with `type` a
        dict. Raises `ProtocolError` for what cannot be published.
        """
        message = self._publisher.build(
            channel, payload, type=type, sender=sender, metadata=metadata, message_id=message_id
        )
        return await self._publisher.publish(message)

    async def broadcast(
        self,
        payload: Any,
        *,
        groups: Sequence[str] | None = None,
        where: Callable[[User], bool] | None = None,
        type: str | None = None,
        sender: str = "server",
        metadata: dict[str, Any] | None = None,
    ) -> Position:
        """Publishes to everyone; with `groups` to their members, each once; with `where` to users it is true for.

        `where(user)` is asked of everyone who is connected to this node now. Unknown groups raise `Conflict`
        (`not_found`).
        """
        audience = self._publisher.audience(groups, where)
        channel = "all"
        if audience is not None and len(audience.groups) == 1:
            channel = f"group:{audience.groups[0]}"
        message = self._publisher.build(channel, payload, type=type, sender=sender, metadata=metadata)
        return await self._publisher.publish(message, audience)

    async def send(
        self,
        connection_id: str,
        payload: Any,
        *,
        type: str | None = None,
        sender: str = "server",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Sends to one connection, whichever node has it; it is not stored, and comes at most once.

        Raises `Conflict` (`not_found`) for a connection of this node that is gone. Of another node's connection
        nobody says whether it is there: what must arrive is for `publish`, to `user:NAME`.
        """
        message = self._publisher.build(None, payload, type=type, sender=sender, metadata=metadata)
        self.hub.send(connection_id, message)

    def subscribe(self, channel: str) -> ChannelReading:
        """Every message of a channel or topic pattern from now on, as `async for message in ...`.

        It is read from the log at the loop's own pace, so that a slow one costs no memory. Raises
        `MessagesMissed` when it fell so far behind that the log no longer has what comes next, or the log was lost
        and begun anew; iterating again goes on with the oldest that is kept.
        """
        return ChannelReading(self.hub, channel)

    def listen(self, channel: str, callback: Callable[[Message], Any]) -> Callable[[], None]:
        """Calls `callback(message)` for every message of a channel or topic pattern; returns how to stop it.

        A callback that raises is logged and harms nobody. It must not block: for slow work use `subscribe`.
        """
        return self.hub.listen(channel, callback)

    # --- Looking ---------------------------------------------------------------------------------------

    def connection(self, id: str) -> ConnectionStatistics | None:
        """One connection's statistics, None when it is gone."""
        connection = self.hub.connections.get(id)
        return None if connection is None else self.hub.watch.of(connection)

    def connections(self) -> list[ConnectionStatistics]:
        """Every connection's statistics."""
        return [self.hub.watch.of(connection) for connection in self.hub.connections.values()]

    def on_statistics(self, callback: Callable[[HubStatistics], None]) -> Callable[[HubStatistics], None]:
        """Registers what gets the hub's totals every `statistics_interval` seconds."""
        self.hub.watch.on_statistics = callback
        return callback

    def on_idle(self, callback: Callable[[ConnectionStatistics], None]) -> Callable[[ConnectionStatistics], None]:
        """Registers what hears of a connection that said nothing for `idle_after` seconds."""
        self.hub.watch.on_idle = callback
        return callback

    # --- The cluster -----------------------------------------------------------------------------------

    async def migrate(self, connection_id: str, node: str | None = None) -> str:
        """Moves a connection of this node to another one, by default the least loaded; returns where it is then.

        Its client opens the new connection before the old one ends: nothing is lost, doubled or out of order. Raises
        `Conflict` (`not_found`, `already_migrating`), and `TryLater` (`unavailable`) when three attempts fail: then
        the connection stays.
        """
        return await self._peers().migrations.move(connection_id, node)

    async def rebalance(self, *, over: float = 30.0) -> int:
        """Makes all nodes equally full: who has more connections than the others moves some, as by `migrate`.

        Returns how many are to go, as far as is known here: what nodes say of themselves is up to 3 s old. The last of
        them go after `over` seconds at most. Of use after a node was added. Raises `ConfigurationError` when there is
        no cluster.
        """
        return await self._peers().rebalance(over)

    def _peers(self) -> Cluster:
        peers = self._server.node.cluster
        if peers is None:
            raise ConfigurationError("backend", "there is no other node: let several share one backend")
        return peers

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of everything that this application speaks."""
        return json_schema(self.catalog)

    # --- Running ---------------------------------------------------------------------------------------

    async def start(self, *, listen: bool = True) -> None:
        """Listens, unless it is told not to. Raises `ConfigurationError` when it cannot. `stop` ends it."""
        authentication = Authentication(self._authenticate, anonymous=self.settings.anonymous)
        if self._authenticate is None and not self.settings.anonymous:
            log.warning("nobody can get in: set `anonymous` or `jwt`, or register `authenticate`")
        await self.stores.connect()
        try:
            # Before the server, so that nothing a client publishes comes before their positions.
            for consumer in self._consumers:
                await consumer.start()
            await self._server.start(Gatekeeper(self, authentication), listen=listen)
        except HubbubError:
            await self._drain_consumers(0.0)
            await self.stores.close()
            raise

    async def stop(self) -> None:
        """Sends what is in flight, says goodbye to every client, and waits for its own handlers."""
        await self._server.stop(lambda: self._drain_consumers(self.settings.drain_timeout))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stores.close()

    async def _drain_consumers(self, seconds: float) -> None:
        # Documents first: what they still save is for the stores, which are closed next.
        await asyncio.gather(*(handler.drain(seconds) for handler in self.hub.kinds.all()))
        await asyncio.gather(*(consumer.drain(seconds) for consumer in self._consumers))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Hubbub]:
        """The server runs while the block does."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def run_until_signal(self, started: Callable[[], None] | None = None) -> None:
        """Serves until SIGTERM or Ctrl-C, then drains. A second one waits for no more clients to get elsewhere."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if stopped.is_set():
                self._server.hurry()
            stopped.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        async with self.serve():
            if started is not None:
                started()
            await stopped.wait()

    def run(self) -> None:
        """Serves until SIGTERM or Ctrl-C: the last line of a script."""
        asyncio.run(self.run_until_signal(lambda: print(f"Hubbub listens on {self.url}", flush=True)))

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` beside everything else; it is cancelled when the server stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
