"""One client's WebSocket: its first message, then messages in order, each handled before the next."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

from msgspec import UNSET

from hubbub.errors import BadMessage, Denied, InternalError, ProtocolError
from hubbub.hub.connection import State
from hubbub.hub.hub import Hub
from hubbub.hub.users import User
from hubbub.protocol.messages import (
    AckMessage,
    HelloMessage,
    Message,
    RefreshMessage,
    RestoreSessionMessage,
)
from hubbub.protocol.payloads import Hello
from hubbub.protocol.versions import LOWEST, ProtocolVersion, negotiate, parse_version
from hubbub.protocol.wire import profile_of
from hubbub.server.gate import Gate, Upgrade
from hubbub.server.listener import MessageListener

log = logging.getLogger("hubbub.server")

_MAX_INBOX = 64
_SESSION_MESSAGES = frozenset({HelloMessage, RestoreSessionMessage, RefreshMessage})


class HubListener(MessageListener):
    """Joins one socket to the hub.

    Messages are handled at once where nothing has to be awaited. Otherwise the later ones wait in a short
    inbox, and above its bound the socket is not read.
    """

    __slots__ = (
        "_codec",
        "_connection",
        "_gate",
        "_hub",
        "_inbox",
        "_reading_paused",
        "_task",
        "_upgrade",
    )

    def __init__(self, hub: Hub, gate: Gate, upgrade: Upgrade, codec: str, deflate: bool) -> None:
        super().__init__(hub.settings.max_message, deflate)
        self._hub = hub
        self._gate = gate
        self._upgrade: Upgrade | None = upgrade
        self._codec = codec
        self._inbox: deque[Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading_paused = False

    def opened(self) -> None:
        profile = profile_of(self._codec, deflate=self.deflate)
        self._connection = self._hub.connect(self.transport, profile)

    def closed(self) -> None:
        was_open = self._connection.session is not None
        if self._task is not None:
            self._task.cancel()
        if was_open:
            self._gate.disconnected(self._connection)
        self._hub.disconnect(self._connection)

    def ponged(self) -> None:
        self._hub.watch.ponged(self._connection)

    def pause_writing(self) -> None:
        self._hub.pause(self._connection)

    def resume_writing(self) -> None:
        self._hub.resume(self._connection)

    def received(self, data: str | bytes, size: int) -> None:
        connection = self._connection
        connection.messages_in += 1
        connection.bytes_in += size
        connection.last_activity = self._hub.clock()
        if isinstance(data, str) is not (self._codec == "json"):
            self.transport.close(1003, f"hubbub.{self._codec} has other frames")
            return
        try:
            message = self._hub.wire.decode(connection.profile, data)
        except BadMessage as error:
            self._hub.outbox.send_error(connection, error)
            return
        if self._task is not None:
            self._wait(message)
            return
        pending = self._handle(message)
        if pending is not None:
            self._task = asyncio.get_running_loop().create_task(self._handle_later(pending))

    # --- Order -----------------------------------------------------------------------------------------

    def _wait(self, message: Message) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(message)
        if len(self._inbox) >= _MAX_INBOX and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    async def _handle_later(self, pending: Awaitable[None]) -> None:
        try:
            await pending
            while self._inbox:
                more = self._handle(self._inbox.popleft())
                if more is not None:
                    await more
                if self._reading_paused and not self._inbox:
                    self._reading_paused = False
                    self.transport.resume_reading()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("connection %s failed", self._connection.id)
            self.transport.close(1011, "the server failed")
        finally:
            self._task = None

    def _handle(self, message: Message) -> Awaitable[None] | None:
        state = self._connection.state
        if state is State.OPEN:
            if type(message) not in _SESSION_MESSAGES:
                return self._gate.intercept(self._connection, message)
            if isinstance(message, RefreshMessage):
                return self._refresh(message)
            self._refuse(message, BadMessage("invalid_message", "said once, first", field="type"))
        elif state is State.OPENING:
            return self._handle_first(message)
        return None

    # --- The first message -----------------------------------------------------------------------------

    def _handle_first(self, message: Message) -> Awaitable[None] | None:
        try:
            if isinstance(message, RestoreSessionMessage):
                raise Denied("session_expired", "there is no such session: say hello", field="sessionId")
            if isinstance(message, HelloMessage):
                hello = Hello() if message.payload is UNSET else message.payload
                return self._greet(message, hello, None)
            if not self._hub.settings.anonymous:
                raise Denied("unauthorized", "say hello first, with a token")
            return self._greet(message, Hello(user=message.sender), message)
        except ProtocolError as error:
            self._refuse(message, error)
            return None

    def _greet(self, message: Message, hello: Hello, then: Message | None) -> Awaitable[None] | None:
        """Says welcome to whom the gate lets in; an implicit hello is followed by its message."""
        _negotiated(message)
        assert self._upgrade is not None
        result = self._gate.authenticate(self._upgrade, hello)
        if isawaitable(result):
            return self._greet_later(message, hello, then, result)
        return self._welcome(message, hello, then, result)

    async def _greet_later(self, message: Message, hello: Hello, then: Message | None, result: Awaitable[User]) -> None:
        try:
            user = await result
            more = self._welcome(message, hello, then, user)
            if more is not None:
                await more
        except ProtocolError as error:
            self._refuse(message, error)
        except Exception:
            log.exception("authenticating connection %s failed", self._connection.id)
            self._refuse(message, InternalError())

    def _welcome(self, message: Message, hello: Hello, then: Message | None, user: User) -> Awaitable[None] | None:
        if self._connection.state is not State.OPENING:
            return None
        profile = profile_of(self._codec, _negotiated(message), self.deflate)
        client: dict[str, Any] = {} if hello.profile is UNSET else hello.profile
        message_id = None if then is not None or message.message_id is UNSET else message.message_id
        self._hub.welcome(self._connection, user, profile, client, message_id)
        self._upgrade = None
        pending = self._gate.connected(self._connection)
        if then is None:
            return pending
        if pending is None:
            return self._handle(then)
        return self._in_turn(pending, then)

    async def _in_turn(self, pending: Awaitable[None], then: Message) -> None:
        await pending
        more = self._handle(then)
        if more is not None:
            await more

    async def _refresh(self, message: RefreshMessage) -> None:
        session = self._connection.session
        assert session is not None
        try:
            token = message.payload.token
            result = self._gate.authenticate(Upgrade("/ws", {}, None), Hello(token=token))
            user = await result if isawaitable(result) else result
            if user.name != session.user.name:
                raise Denied("forbidden", "the token is another user's", field="payload.token")
        except ProtocolError as error:
            error.message_id = None if message.message_id is UNSET else message.message_id
            self._hub.outbox.send_error(self._connection, error)
            return
        session.user = user
        self._hub.outbox.send(self._connection, AckMessage(message_id=message.message_id))

    def _refuse(self, message: Message, error: ProtocolError) -> None:
        if message.message_id is not UNSET:
            error.message_id = message.message_id
        self._hub.outbox.send_error(self._connection, error)
        if error.code in {"unauthorized", "token_expired"} and self._connection.state is State.OPENING:
            # What is queued goes out before the close frame.
            self._hub.outbox.write()
            self._connection.state = State.CLOSING
            self.transport.close(4401, error.code)


def _negotiated(message: Message) -> ProtocolVersion:
    return negotiate(LOWEST if message.version is UNSET else parse_version(message.version))
