"""What an application says of its messages: their types, who handles them, who gets in and who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hubbub.app.authentication import Authenticate
from hubbub.app.gatekeeper import Middleware
from hubbub.app.routing import MessageRouter
from hubbub.hub.permissions import Action
from hubbub.hub.users import User
from hubbub.protocol.catalog import Catalog
from hubbub.protocol.versions import HIGHEST, LOWEST, parse_version

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P")
Authorizer = Callable[[User, Action, str], Awaitable[bool | None] | bool | None]


class Registration:
    """The part of `hubbub.Hubbub` that is there before anything runs. Register first, then start."""

    def __init__(self, authenticate: Authenticate | None) -> None:
        self.catalog = Catalog()
        self.router = MessageRouter()
        self.middlewares: list[Middleware] = []
        self.connect_handlers: list[Callable[..., Any]] = []
        self.disconnect_handlers: list[Callable[..., Any]] = []
        self.authorizer: Authorizer | None = None
        self._authenticate = authenticate

    def message(self, name: str, *, ephemeral: bool = False) -> Callable[[type[P]], type[P]]:
        """Registers a payload type: `@app.message("move")` on a Struct, dataclass or TypedDict.

        It appears in the schema and is validated at the edge. Ephemeral messages are not stored.
        """

        def register(payload: type[P]) -> type[P]:
            self.catalog.register(name, payload, ephemeral=ephemeral)
            return payload

        return register

    def on(self, message_type: str, *, since: str = "", until: str = "") -> Callable[[F], F]:
        """Registers `handler(context, message)` for a type, and a range of versions, both ends included.

        It runs before the message is published, in the order of the connection's messages. Raising a
        `ProtocolError` refuses the message; anything else that it raises is an `internal` error to the sender
        alone. `context.consume()` keeps the message from being published.
        """

        def register(handler: F) -> F:
            first = parse_version(since) if since else LOWEST
            last = parse_version(until) if until else HIGHEST
            self.router.add_route(message_type, handler, since=first, until=last)
            return handler

        return register

    def default(self, handler: F) -> F:
        """Registers the handler of messages whose type nobody registered."""
        self.catalog.accept_unknown = True
        self.router.default = handler
        return handler

    def middleware(self, function: F) -> F:
        """Registers `async middleware(context, message, call_next)` around every message, the first outermost.

        But for pings and acknowledgements, which clients send by themselves.
        """
        self.middlewares.append(function)
        return function

    def connect(self, handler: F) -> F:
        """Registers `handler(context)` for every user who got in."""
        self.connect_handlers.append(handler)
        return handler

    def disconnect(self, handler: F) -> F:
        """Registers `handler(context)` for every user who left."""
        self.disconnect_handlers.append(handler)
        return handler

    def authenticate(self, function: F) -> F:
        """Registers `function(upgrade, hello) -> User | None`, async or not: who gets in, and as whom."""
        self._authenticate = function
        return function

    def authorize(self, function: F) -> F:
        """Registers `function(user, action, channel) -> bool | None`: None leaves it to the default rules."""
        self.authorizer = function
        return function
