"""The link: one connection after the other, until there is no sense in another."""

from __future__ import annotations

import asyncio
import logging

from hubbub.client.closing import Comeback
from hubbub.client.connection import Conduct, Connection
from hubbub.client.events import ConnectionState, Events, Phase
from hubbub.client.migration import Move, is_acceptable
from hubbub.client.options import ClientOptions
from hubbub.client.recovery import Recovery
from hubbub.client.tokens import Tokens
from hubbub.delivery.backoff import Backoff
from hubbub.delivery.link import LinkMeter, Quality
from hubbub.errors import ConnectionClosed, HubbubError
from hubbub.protocol.messages import Message, MigrateMessage
from hubbub.protocol.wire import Profile, Wire

log = logging.getLogger("hubbub.client")

_GOODBYE = 3.0
"""Seconds that closing waits for the peer."""


class Link:
    """Connects, and reconnects by the protocol's table with exponential backoff. One task for all of it.

    Where the server asks to go on at another node there are two connections for a while; one of them is the client's.
    """

    def __init__(
        self,
        url: str,
        options: ClientOptions,
        *,
        wire: Wire,
        profile: Profile,
        tokens: Tokens,
        events: Events,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._url = url
        self._options = options
        self._wire = wire
        self._profile = profile
        self._tokens = tokens
        self._events = events
        backoff = Backoff(options.rng, initial=options.initial_delay, maximum=options.max_delay)
        self._comeback = Comeback(
            backoff, max_attempts=options.max_reconnect_attempts, is_token_renewable=tokens.is_renewable
        )
        self._meter = LinkMeter()
        self.conduct: Recovery
        """Who acts on what happens here: set it before anything else is done."""
        self._connection: Connection | None = None
        self._moves: list[Move] = []
        self._moved_to: str | None = None
        """The URL to which the server sent this client last."""
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None
        self._awake = asyncio.Event()
        self._is_closing = False
        self._is_over = False
        self.state = ConnectionState("disconnected")

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._connection.is_open

    @property
    def quality(self) -> Quality:
        return self._meter.quality

    @property
    def round_trip(self) -> float | None:
        """Smoothed, in seconds; None before the first measurement of this connection."""
        return self._meter.round_trip

    # --- What the client does with it ------------------------------------------------------------------

    async def start(self, *, background: bool) -> None:
        """Begins. Unless in the background, waits for the first connection.

        Raises what the first attempt fails with, and then there is no other.
        """
        if not background:
            self._first = self._loop.create_future()
        self._task = self._loop.create_task(self._run(), name="hubbub-client")
        if self._first is not None:
            try:
                await self._first
            except BaseException:
                await self.close()
                raise

    def send(self, message: Message) -> None:
        """Sends if there is a connection. Raises `BadMessage` for what cannot be sent over any."""
        if self._connection is not None and self._connection.is_open:
            self._connection.send(message)

    def read(self, wanted: bool) -> None:
        """Whether the socket is to be read."""
        if self._connection is not None:
            self._connection.read(wanted)

    def wake(self) -> None:
        """Cuts a wait for the next attempt short; does nothing at any other time."""
        self._awake.set()

    def move(self, message: MigrateMessage) -> None:
        """The server asks to go on at another node."""
        connection, order = self._connection, message.payload
        if connection is None or not connection.is_open:
            return
        connection.is_leaving = True
        if not is_acceptable(order.url, self._url):
            log.warning("the server asks to go to %s, which is refused", order.url)
            return
        self._moves = [move for move in self._moves if not move.task.done()]
        before = [move for move in self._moves if not move.has_arrived]
        for move in before:
            move.supersede()
        self._moves.append(Move(self.conduct, self, connection, order, before))

    async def close(self) -> None:
        """Says goodbye and waits until the connection has ended, at most 3 seconds."""
        self._is_closing = True
        for move in self._moves:
            move.task.cancel()
        if self._connection is not None:
            await self._connection.close(_GOODBYE)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait((self._task,))
        await asyncio.gather(*(move.task for move in self._moves), return_exceptions=True)
        self._finish("closed", ConnectionClosed(1000, "closed by this client"))

    # --- What a move needs (`hubbub.client.migration.Mover`) --------------------------------------------

    def make(self, conduct: Conduct) -> Connection:
        return Connection(conduct, self._wire, self._profile, LinkMeter(), lost=self._lost)

    async def open(self, connection: Connection, url: str) -> bool:
        """Connects with a fresh token. Returns whether the session from before goes on."""
        token = await self._tokens.fresh()
        options = self._options
        return await connection.open(options.dial, url, token=token, compression=options.compression)

    def adopt(self, connection: Connection, url: str) -> None:
        old, self._connection = self._connection, connection
        self._meter, self._moved_to = connection.meter, url
        assert old is not None
        old.retire()
        if old.is_open:
            self.conduct.suspended(ConnectionClosed(1000, "moved"))

    async def begin(self, connection: Connection, *, resumed: bool) -> None:
        """It is established: puts the session in order over it, and tells."""
        self._comeback.succeeded()
        self._tokens.connected(True)
        await self.conduct.settle()
        if connection.is_open:
            self._enter(ConnectionState("connected", resumed=resumed))
            if self._first is not None and not self._first.done():
                self._first.set_result(None)

    # --- The loop --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                reason = await self._live()
                if self._is_closing:
                    return
                if self._first is not None and not self._first.done():
                    self._first.set_exception(reason)
                    return
                verdict = self._comeback.after(reason, self._retry_after_ms())
                if not isinstance(verdict, float):
                    self._finish(verdict, _as_closed(reason))
                    return
                await self._rest(verdict, reason)
        except Exception as error:
            log.exception("the client failed")
            if self._first is not None and not self._first.done():
                self._first.set_exception(error)
            self._finish("closed", ConnectionClosed(1011, f"the client failed: {error!r}"))

    async def _live(self) -> Exception:
        """One connection, from the attempt to its end, and why it ended."""
        self._enter(ConnectionState("connecting", attempt=self._comeback.attempt))
        connection = self._connection = self.make(self.conduct)
        self._meter = connection.meter
        patience = self._options.connect_timeout
        url = self._next_url()
        try:
            async with asyncio.timeout(patience):
                resumed = await self.open(connection, url)
            if url == self._url:
                self._moved_to = None
            await self.begin(connection, resumed=resumed)
            reason: Exception = await self._outlive(connection)
        except TimeoutError:
            reason = ConnectionClosed(1006, f"no connection within {patience:g} s")
        except (OSError, HubbubError) as error:
            log.debug("no connection: %r", error)
            reason = error
        finally:
            self._tokens.connected(False)
            for one in (connection, self._connection):
                one.abort(ConnectionClosed(1006, "given up"))
        return reason

    async def _outlive(self, connection: Connection) -> ConnectionClosed:
        """Waits until there is no connection any more, however often the client moves to another; why that is."""
        while True:
            reason = await connection.ended
            for move in self._moves:
                await move.decided.wait()
            if self._connection is connection or self._connection is None:
                break
            connection = self._connection
        if self.state.phase == "connected":
            self._enter(ConnectionState("disconnected", reason=reason))
        if connection.is_leaving and reason.code in (1000, 4409):
            # The session is where this client was sent, but this client is not.
            reason = ConnectionClosed(1012, reason.reason)
        return reason

    def _next_url(self) -> str:
        """The node that this client was moved to has its session at hand; if it is gone, there is the way of old."""
        if self._moved_to is not None and self._comeback.attempt % 2:
            return self._moved_to
        return self._url

    async def _rest(self, delay: float, reason: Exception) -> None:
        self._awake.clear()
        self._enter(ConnectionState("reconnecting", attempt=self._comeback.attempt, delay=delay, reason=reason))
        try:
            async with asyncio.timeout(delay):
                await self._awake.wait()
        except TimeoutError:
            pass

    def _lost(self, reason: ConnectionClosed) -> None:
        self.conduct.suspended(reason)
        # On the way to another node the client has not lost the session yet: the old one may just be a little early.
        if all(move.decided.is_set() for move in self._moves):
            self._enter(ConnectionState("disconnected", reason=reason))

    def _retry_after_ms(self) -> int | None:
        return None if self._connection is None else self._connection.retry_after_ms

    def _enter(self, state: ConnectionState) -> None:
        self.state = state
        self._events.tell("state", state)

    def _finish(self, phase: Phase, error: ConnectionClosed) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._tokens.stop()
        self.conduct.ended(error)
        self._enter(ConnectionState(phase, reason=error))
        if phase == "gave_up":
            self._events.tell("gave_up", error)
        self._events.tell("close", error)


def _as_closed(reason: Exception) -> ConnectionClosed:
    """What everyone who waits is told."""
    if isinstance(reason, ConnectionClosed):
        return reason
    closed = ConnectionClosed(1006, str(reason))
    closed.__cause__ = reason
    return closed
