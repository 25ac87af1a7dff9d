"""Which handler takes a message: by type and version range, with a default (the lesson's MessageRouter)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hubbub.errors import ConfigurationError
from hubbub.protocol.versions import HIGHEST, LOWEST, ProtocolVersion

Handler = Callable[..., Awaitable[Any] | Any]


@dataclass(frozen=True, slots=True)
class Route:
    since: ProtocolVersion
    until: ProtocolVersion
    handler: Handler


class MessageRouter:
    """Handlers by message type. For one type there may be several, for versions that do not overlap."""

    def __init__(self) -> None:
        self._routes: dict[str, list[Route]] = {}
        self.default: Handler | None = None

    def add_route(
        self,
        message_type: str,
        handler: Handler,
        *,
        since: ProtocolVersion = LOWEST,
        until: ProtocolVersion = HIGHEST,
    ) -> None:
        """`handler` takes messages of this type from `since` to `until`, both included.

        Raises `ConfigurationError` where another handler takes some of them already.
        """
        if since > until:
            raise ConfigurationError(f"handler of {message_type}", f"no version is from {since} to {until}")
        routes = self._routes.setdefault(message_type, [])
        for route in routes:
            if since <= route.until and route.since <= until:
                raise ConfigurationError(
                    f"handler of {message_type}", f"versions {route.since} to {route.until} have one already"
                )
        routes.append(Route(since, until, handler))

    def __bool__(self) -> bool:
        """Whether there is any handler at all."""
        return bool(self._routes) or self.default is not None

    def handles(self, message_type: str) -> bool:
        """Whether any version of this type has a handler of its own."""
        return message_type in self._routes

    def route(self, message_type: str, version: ProtocolVersion) -> Handler | None:
        """The handler for this type and version; None where the hub alone takes the message."""
        for route in self._routes.get(message_type, ()):
            if route.since <= version <= route.until:
                return route.handler
        return None
