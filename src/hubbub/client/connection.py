"""One connection, from the greeting to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from hubbub.client.answers import error_from
from hubbub.client.heartbeat import Heartbeat
from hubbub.client.options import ClientSocket, Dial
from hubbub.delivery.link import LinkMeter
from hubbub.errors import BadMessage, ConnectionClosed, Denied, InternalError, ProtocolError, TryLater
from hubbub.protocol import messages
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Profile, Wire

log = logging.getLogger("hubbub.client")


class Conduct(Protocol):
    """What a client does as its connections come and go. All but `settle` happens before anything else comes."""

    @property
    def heartbeat(self) -> float: ...
    @property
    def max_message(self) -> int: ...
    def greeting(self, token: str | None) -> Message: ...
    def expired(self, token: str | None) -> Message | None: ...
    def welcomed(self, message: messages.WelcomeMessage) -> None: ...
    def restored(self, message: messages.SessionRestoredMessage) -> None: ...
    async def settle(self) -> None: ...
    def received(self, message: Message) -> None: ...
    def checked(self) -> None: ...


class Connection:
    """Says who one is, and hands on what comes. It is over once, and then deaf and mute."""

    def __init__(
        self,
        conduct: Conduct,
        wire: Wire,
        profile: Profile,
        meter: LinkMeter,
        *,
        lost: Callable[[ConnectionClosed], None],
    ) -> None:
        """`lost` is called when a connection that was established ends."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._conduct = conduct
        self._lost = lost
        self._wire = wire
        self._profile = profile
        self.meter = meter
        self._socket: ClientSocket | None = None
        self._greeting: Message | None = None
        self._token: str | None = None
        self._heartbeat = Heartbeat(meter, ping=self._ping, checked=conduct.checked, dead=self._die)
        self._is_reading = True
        self._ping_id = ""
        self._pings = 0
        self._established: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[ConnectionClosed] = loop.create_future()
        self.is_open = False
        """Whether it was established and is not over."""
        self.is_leaving = False
        """Whether the server asked to go on elsewhere."""
        self._is_retired = False
        self.retry_after_ms: int | None = None
        """What the last error asked for."""

    async def open(self, dial: Dial, url: str, *, token: str | None, compression: bool) -> bool:
        """Connects and introduces itself. Returns whether the session from before goes on.

        Raises `OSError`, `ConnectionClosed`, `TryLater`, and what the server answers to the greeting.
        """
        self._token = token
        self._socket = await dial(
            url,
            subprotocol=f"hubbub.{self._profile.codec}",
            token=token,
            compression=compression,
            on_message=self._arrived,
            on_closed=self._closed,
        )
        if self.ended.done():
            raise self.ended.result()
        self._greet(self._conduct.greeting(token))
        return await self._established

    def send(self, message: Message) -> None:
        """Raises `BadMessage` (`too_large`) for more than the server takes, or what has no form on the wire."""
        body = self._wire.body(self._profile, message)
        if len(body) > self._conduct.max_message:
            reason = f"{len(body)} bytes, and the server takes {self._conduct.max_message}"
            raise BadMessage("too_large", reason, field="message")
        if self._socket is not None and not self.ended.done():
            self._heartbeat.active()
            self._socket.send(body, is_text=self._profile.codec == "json")

    def read(self, wanted: bool) -> None:
        """Whether the socket is to be read."""
        if self._socket is None or self.ended.done() or wanted == self._is_reading:
            return
        self._is_reading = wanted
        self._heartbeat.pause(not wanted)
        if wanted:
            self._socket.resume_reading()
        else:
            self._socket.pause_reading()

    async def close(self, patience: float) -> None:
        """Says goodbye, and waits at most `patience` seconds until the peer has said so, too."""
        if self._socket is None or self.ended.done():
            return
        # A goodbye behind messages that nobody reads would never be seen.
        self.read(True)
        self._socket.close(1000)
        try:
            async with asyncio.timeout(patience):
                await self._socket.wait_closed()
        except TimeoutError:
            self.abort(ConnectionClosed(1000))

    def retire(self) -> None:
        """The session goes on over another connection: of this one only acknowledgements are of interest any more."""
        self._is_retired = True

    async def farewell(self, patience: float) -> None:
        """Waits for the server to end it; after `patience` seconds ends it."""
        await asyncio.wait((self.ended,), timeout=patience)
        await self.close(patience)

    def abort(self, reason: ConnectionClosed) -> None:
        """Ends it at once, unless it is over."""
        socket = self._socket
        self._closed(reason)
        if socket is not None:
            socket.abort()

    # --- From the socket -------------------------------------------------------------------------------

    def _arrived(self, data: str | bytes) -> None:
        if self.ended.done():
            return
        self._heartbeat.heard()
        try:
            message = self._wire.decode(self._profile, data)
        except BadMessage as error:
            # A newer server may have types that this client does not know.
            log.debug("ignored a message: %s", error)
            return
        if isinstance(message, messages.PongMessage) and message.message_id == self._ping_id:
            self._heartbeat.answered()
        elif isinstance(message, messages.PingMessage):
            self.send(messages.PongMessage(message_id=message.message_id))
        elif self._is_retired:
            # What is wrong with what was said here is said again over the new connection.
            if isinstance(message, messages.AckMessage):
                self._conduct.received(message)
        elif self.is_open:
            self._heartbeat.active()
            if isinstance(message, messages.ErrorMessage):
                self.retry_after_ms = error_from(message).retry_after_ms
            self._conduct.received(message)
        else:
            self._greeted(message)

    def _closed(self, reason: ConnectionClosed) -> None:
        if self.ended.done():
            return
        was_open, self.is_open = self.is_open, False
        self._heartbeat.stop()
        self.ended.set_result(reason)
        if not self._established.done():
            self._established.set_exception(reason)
            # The dial may fail before anybody looks at it.
            self._established.exception()
        if was_open and not self._is_retired:
            self._lost(reason)

    # --- The greeting ----------------------------------------------------------------------------------

    def _greet(self, message: Message) -> None:
        self._greeting = message
        self.send(message)

    def _greeted(self, message: Message) -> None:
        if self._established.done():
            return
        if isinstance(message, messages.WelcomeMessage):
            self._begin()
            self._conduct.welcomed(message)
            self._heartbeat.start(self._conduct.heartbeat)
        elif isinstance(message, messages.SessionRestoredMessage):
            self._begin(resumed=True)
            self._conduct.restored(message)
            self._heartbeat.start(self._conduct.heartbeat)
        elif isinstance(message, messages.ErrorMessage):
            self._refused(error_from(message))
        else:
            # What the session lost while it was away is told before it is restored.
            self._conduct.received(message)

    def _begin(self, *, resumed: bool = False) -> None:
        self.is_open = True
        self._established.set_result(resumed)

    def _refused(self, error: ProtocolError) -> None:
        is_passing = isinstance(error, TryLater | InternalError)
        is_about_the_token = isinstance(error, Denied) and error.code in ("unauthorized", "token_expired")
        again: Message | None = None
        if isinstance(self._greeting, messages.RestoreSessionMessage) and not is_passing and not is_about_the_token:
            again = self._conduct.expired(self._token)
        if again is None:
            self._established.set_exception(error)
        else:
            # The session cannot be had any more, but a new one can, over the same connection.
            log.info("the session is lost: %s", error)
            self._greet(again)

    # --- The heartbeat ---------------------------------------------------------------------------------

    def _ping(self) -> None:
        self._pings += 1
        self._ping_id = f"00000000-0000-4000-8000-{self._pings:012x}"
        if self._socket is not None:
            body = self._wire.body(self._profile, messages.PingMessage(message_id=self._ping_id))
            self._socket.send(body, is_text=self._profile.codec == "json")

    def _die(self) -> None:
        self.abort(ConnectionClosed(1006, "nothing was heard of the server"))
