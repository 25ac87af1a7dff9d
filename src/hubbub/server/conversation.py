"""One client's messages, in order: each is handled before the next, whatever has to be awaited for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from math import ceil
from typing import Any

from msgspec import UNSET

from hubbub.errors import BadMessage, error_of
from hubbub.hub.connection import Connection, State
from hubbub.hub.hub import Hub
from hubbub.ports import Transport
from hubbub.protocol.messages import HelloMessage, Message, RefreshMessage, RestoreSessionMessage
from hubbub.protocol.wire import profile_of
from hubbub.server.gate import Gate, Upgrade
from hubbub.server.greeting import Greeting, refresh, refuse
from hubbub.server.pace import Pace, unasked

log = logging.getLogger("hubbub.server")

_MAX_INBOX = 64
_SESSION_MESSAGES = frozenset({HelloMessage, RestoreSessionMessage, RefreshMessage})


class Conversation:
    """Joins one peer to the hub, whatever its transport is.

    Messages are handled at once where nothing has to be awaited. Otherwise the later ones wait in a short
    inbox, and above its bound the peer is not read.
    """

    __slots__ = (
        "_codec",
        "_connection",
        "_decode",
        "_ended",
        "_gate",
        "_greeting",
        "_hub",
        "_inbox",
        "_pace",
        "_pending",
        "_reading_paused",
        "_task",
        "_transport",
        "_unasked_bytes",
        "_unasked_messages",
    )

    def __init__(
        self,
        hub: Hub,
        gate: Gate,
        upgrade: Upgrade,
        transport: Transport,
        *,
        codec: str,
        deflate: bool,
        ended: Callable[[], None] | None = None,
    ) -> None:
        """`codec` is `json` or `protobuf`; `deflate` says that frames may be compressed.

        `ended` is called when the socket is gone, and everyone has been told.
        """
        self._hub = hub
        self._gate = gate
        self._codec = codec
        self._transport = transport
        self._decode: Callable[[Any], Message] = hub.wire.json.decode if codec == "json" else hub.wire.protobuf.decode
        self._connection: Connection = hub.connect(transport, profile_of(codec, deflate=deflate))
        self._greeting: Greeting | None = Greeting(hub, gate, upgrade, self._connection)
        self._inbox: deque[Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._pending: Awaitable[None] | None = None
        """What the task was begun for."""
        self._reading_paused = False
        self._ended = ended
        self._pace: Pace | None = None
        self._unasked_messages, self._unasked_bytes = unasked(hub.settings)

    def closed(self) -> None:
        """The socket is gone."""
        was_open = self._connection.session is not None
        if self._task is not None:
            if iscoroutine(self._pending) and getcoroutinestate(self._pending) == CORO_CREATED:
                # The task takes its first step before it is cancelled: what it is made of would never be awaited.
                asyncio.get_running_loop().call_soon(self._task.cancel)
            else:
                self._task.cancel()
        if was_open:
            self._gate.disconnected(self._connection)
        self._hub.disconnect(self._connection)
        if self._ended is not None:
            self._ended()

    def ponged(self) -> None:
        self._hub.watch.ponged(self._connection)

    def pause_writing(self) -> None:
        self._hub.pause(self._connection)

    def resume_writing(self) -> None:
        self._hub.resume(self._connection)

    def received(self, data: str | bytes, size: int) -> None:
        """One message, `size` bytes on the wire."""
        connection = self._connection
        connection.messages_in += 1
        connection.bytes_in += size
        now = connection.last_activity = self._hub.clock()
        if isinstance(data, str) is not (self._codec == "json"):
            self._transport.close(1003, f"hubbub.{self._codec} has other frames")
            return
        try:
            message = self._decode(data)
        except BadMessage as error:
            if self._keeps_pace(None, now):
                self._hub.outbox.send_error(connection, error)
            return
        if (
            connection.messages_in > self._unasked_messages or connection.bytes_in > self._unasked_bytes
        ) and not self._keeps_pace(message, now):
            return
        if self._task is not None:
            self._wait(message)
            return
        pending = self._handle(message)
        if pending is not None:
            self._pending = pending
            self._task = asyncio.get_running_loop().create_task(self._handle_later(pending))

    def _keeps_pace(self, message: Message | None, now: float) -> bool:
        """Whether the peer may send so fast. Otherwise the message is answered; who goes on and on is closed.

        None stands for a message that cannot be read.
        """
        connection = self._connection
        pace = self._pace
        if pace is None:
            pace = self._pace = Pace(self._hub.settings, connection.connected_since)
        wait = pace.check(connection, now)
        self._unasked_messages, self._unasked_bytes = pace.messages, pace.bytes
        if not wait:
            return True
        self._hub.counts.rate_limited += 1
        error = error_of("rate_limited", "too many messages, or too large ones", retry_after_ms=ceil(wait * 1000))
        if message is not None and message.message_id is not UNSET:
            error.message_id = message.message_id
        self._hub.outbox.send_error(connection, error)
        if pace.is_hopeless(wait) and connection.state is not State.CLOSING:
            self._hub.close(connection, 4429, "too fast")
        return False

    def _wait(self, message: Message) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(message)
        if len(self._inbox) >= _MAX_INBOX and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    async def _handle_later(self, pending: Awaitable[None]) -> None:
        try:
            await pending
            while self._inbox:
                more = self._handle(self._inbox.popleft())
                if more is not None:
                    await more
                if self._reading_paused and not self._inbox:
                    self._reading_paused = False
                    self._transport.resume_reading()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("connection %s failed", self._connection.id)
            self._transport.close(1011, "the server failed")
        finally:
            self._task = self._pending = None

    def _handle(self, message: Message) -> Awaitable[None] | None:
        state = self._connection.state
        if state is State.OPEN:
            if type(message) not in _SESSION_MESSAGES:
                return self._gate.intercept(self._connection, message)
            if isinstance(message, RefreshMessage):
                return refresh(self._hub, self._gate, self._connection, message)
            refuse(
                self._hub, self._connection, message, BadMessage("invalid_message", "said once, first", field="type")
            )
        elif state is State.OPENING and self._greeting is not None:
            return self._greet(self._greeting, message)
        return None

    def _greet(self, greeting: Greeting, message: Message) -> Awaitable[None] | None:
        pending = greeting.handle(message)
        if pending is not None:
            return self._after(pending, greeting, message)
        return self._begin(greeting, message)

    async def _after(self, pending: Awaitable[None], greeting: Greeting, message: Message) -> None:
        await pending
        more = self._begin(greeting, message)
        if more is not None:
            await more

    def _begin(self, greeting: Greeting, message: Message) -> Awaitable[None] | None:
        """Where the greeting let the peer in, the application hears of it; an implicit hello has a message left."""
        if self._connection.state is not State.OPEN:
            return None
        self._greeting = None
        pending = self._gate.connected(self._connection)
        if not greeting.is_implicit:
            return pending
        if pending is None:
            return self._handle(message)
        return self._in_turn(pending, message)

    async def _in_turn(self, pending: Awaitable[None], message: Message) -> None:
        await pending
        more = self._handle(message)
        if more is not None:
            await more
