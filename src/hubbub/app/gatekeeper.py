"""The application's side of the server's gate: authentication, permissions, middleware, handlers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from hubbub.app.authentication import Authentication
from hubbub.app.context import Context
from hubbub.errors import BadMessage, InternalError, ProtocolError
from hubbub.hub.connection import Connection
from hubbub.hub.permissions import Action
from hubbub.hub.requests import action_of
from hubbub.hub.users import User
from hubbub.protocol.messages import AckMessage, ApplicationMessage, Message, PingMessage, UnknownMessage
from hubbub.protocol.payloads import Hello
from hubbub.protocol.versions import check_supported
from hubbub.protocol.wire import message_version
from hubbub.server.gate import Upgrade

if TYPE_CHECKING:
    from hubbub.app.application import Hubbub

log = logging.getLogger("hubbub.app")

Next = Callable[[Message], Awaitable[None]]
Middleware = Callable[[Context, Message, Next], Awaitable[None]]


_UPKEEP = frozenset({PingMessage, AckMessage})
"""What clients send by themselves, to keep the connection: no business of the application's."""


class Gatekeeper:
    """Implements `hubbub.server.gate.Gate`."""

    def __init__(self, app: Hubbub, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication
        # Where nothing of the application's is in the way, messages go straight to the hub.
        self._is_open = not (app.middlewares or app.router or app.authorizer or app.catalog.accept_unknown)

    def authenticate(self, upgrade: Upgrade, hello: Hello) -> Awaitable[User] | User:
        return self._authentication(upgrade, hello)

    def permits(self, user: User, action: Action, channel: str) -> Awaitable[bool | None] | bool | None:
        return None if self._app.authorizer is None else self._app.authorizer(user, action, channel)

    def connected(self, connection: Connection) -> Awaitable[None] | None:
        if not self._app.connect_handlers:
            return None
        return self._announce(self._app.connect_handlers, self._context(connection))

    def disconnected(self, connection: Connection) -> None:
        if self._app.disconnect_handlers:
            context = self._context(connection)
            self._app.start_task(self._announce(self._app.disconnect_handlers, context))

    def intercept(self, connection: Connection, message: Message) -> Awaitable[None] | None:
        app = self._app
        if self._is_open or type(message) in _UPKEEP:
            app.hub.receive(connection, message)
            return None
        router = app.router
        if app.middlewares or router.handles(message.type) or isinstance(message, UnknownMessage):
            return self._process(connection, message)
        if app.authorizer is None:
            app.hub.receive(connection, message)
            return None
        return self._receive(connection, message)

    def _receive(self, connection: Connection, message: Message) -> Awaitable[None] | None:
        """Asks for permission, where one is needed, and hands the message to the hub."""
        action = action_of(message)
        session = connection.session
        if self._app.authorizer is None or action is None or message.channel is UNSET or session is None:
            self._app.hub.receive(connection, message)
            return None
        try:
            verdict = self._app.authorizer(session.user, action, message.channel)
        except Exception as error:
            self._fail(connection, message, error)
            return None
        if isawaitable(verdict):
            return self._receive_later(connection, message, verdict)
        self._app.hub.receive(connection, message, verdict)
        return None

    async def _receive_later(self, connection: Connection, message: Message, verdict: Awaitable[bool | None]) -> None:
        try:
            decided = await verdict
        except Exception as error:
            self._fail(connection, message, error)
            return
        self._app.hub.receive(connection, message, decided)

    async def _process(self, connection: Connection, message: Message) -> None:
        session = connection.session
        if session is None:
            return
        try:
            version = message_version(message, connection.profile.version)
            check_supported(version)
            context = Context(self._app, connection, session.user, version)
            await self._pass(context, connection, message, 0)
        except Exception as error:
            self._fail(connection, message, error)

    async def _pass(self, context: Context, connection: Connection, message: Message, place: int) -> None:
        middlewares = self._app.middlewares
        if place == len(middlewares):
            await self._deliver(context, connection, message)
            return

        async def call_next(passed: Message) -> None:
            await self._pass(context, connection, passed, place + 1)

        await middlewares[place](context, message, call_next)

    async def _deliver(self, context: Context, connection: Connection, message: Message) -> None:
        router = self._app.router
        handler = router.route(message.type, context.version)
        if handler is None and isinstance(message, UnknownMessage):
            handler = router.default
            if handler is None:
                raise BadMessage("unknown_type", f"nobody handles {message.type!r}", field="type")
        if handler is not None:
            result = handler(context, message)
            if isawaitable(result):
                await result
            # A message without a channel was for the handler alone.
            is_private = isinstance(message, ApplicationMessage) and message.channel is UNSET
            if context.consumed or is_private:
                if connection.session is not None and message.message_id is not UNSET:
                    ack = AckMessage(message_id=message.message_id)
                    self._app.hub.outbox.send(connection, ack)
                return
        more = self._receive(connection, message)
        if more is not None:
            await more

    def _fail(self, connection: Connection, message: Message, error: Exception) -> None:
        if not isinstance(error, ProtocolError):
            log.error("handling %s of %s failed", message.type, connection.id, exc_info=error)
            error = InternalError()
        if message.message_id is not UNSET:
            error.message_id = message.message_id
        if connection.session is not None:
            self._app.hub.outbox.send_error(connection, error)

    def _context(self, connection: Connection) -> Context:
        session = connection.session
        assert session is not None
        return Context(self._app, connection, session.user, connection.profile.version)

    async def _announce(self, handlers: list[Callable[[Context], Any]], context: Context) -> None:
        for handler in handlers:
            try:
                result = handler(context)
                if isawaitable(result):
                    await result
            except Exception:
                log.exception("a handler of connections failed for %s", context.user.name)
