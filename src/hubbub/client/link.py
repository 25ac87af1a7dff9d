"""The link: one connection after the other, until there is no sense in another."""

from __future__ import annotations

import asyncio
import logging

from hubbub.client.closing import Comeback
from hubbub.client.connection import Conduct, Connection
from hubbub.client.events import ConnectionState, Events, Phase
from hubbub.client.options import ClientOptions
from hubbub.client.tokens import Tokens
from hubbub.delivery.backoff import Backoff
from hubbub.delivery.link import LinkMeter, Quality
from hubbub.errors import ConnectionClosed, HubbubError
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Profile, Wire

log = logging.getLogger("hubbub.client")

_GOODBYE = 3.0
"""Seconds that closing waits for the peer."""


class Link:
    """Connects, and reconnects by the protocol's table with exponential backoff. One task for all of it."""

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
        self.conduct: Conduct
        """Who acts on what happens here: set it before anything else is done."""
        self._connection: Connection | None = None
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

    async def close(self) -> None:
        """Says goodbye and waits until the connection has ended, at most 3 seconds."""
        self._is_closing = True
        if self._connection is not None:
            await self._connection.close(_GOODBYE)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            await asyncio.wait((self._task,))
        self._finish("closed", ConnectionClosed(1000, "closed by this client"))

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
        self._meter.reset()
        connection = self._connection = Connection(
            self.conduct, self._wire, self._profile, self._meter, lost=self._lost
        )
        options = self._options
        try:
            async with asyncio.timeout(options.connect_timeout):
                token = await self._tokens.fresh()
                resumed = await connection.open(options.dial, self._url, token=token, compression=options.compression)
            self._comeback.succeeded()
            self._tokens.connected(True)
            await self.conduct.settle()
            if connection.is_open:
                self._enter(ConnectionState("connected", resumed=resumed))
                if self._first is not None and not self._first.done():
                    self._first.set_result(None)
            reason: Exception = await connection.ended
        except TimeoutError:
            reason = ConnectionClosed(1006, f"no connection within {options.connect_timeout:g} s")
        except (OSError, HubbubError) as error:
            log.debug("no connection: %r", error)
            reason = error
        finally:
            self._tokens.connected(False)
            connection.abort(ConnectionClosed(1006, "given up"))
        return reason

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
