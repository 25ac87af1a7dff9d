"""The token: asked for when it is needed, and renewed before it expires."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable
from inspect import isawaitable

import msgspec

from hubbub.client.alarm import Alarm
from hubbub.client.options import Token
from hubbub.errors import HubbubError, TryLater

log = logging.getLogger("hubbub.client")

_EARLY = 60.0
"""Seconds before its end at which a token is renewed, or a tenth of what is left of it, if that is less."""


class _Claims(msgspec.Struct):
    exp: float


class Tokens:
    """Where tokens come from. One that comes from a callable is renewed over a living connection."""

    def __init__(self, source: Token | None, *, wall: Callable[[], int]) -> None:
        """`wall` in milliseconds since 1970, as tokens count."""
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._wall = wall
        self._alarm = Alarm(self.renew)
        self._renewal: asyncio.Task[None] | None = None
        self._is_connected = False
        self.refresh: Callable[[str], Awaitable[object]] | None = None
        """Sends a token to the server."""

    @property
    def is_renewable(self) -> bool:
        return callable(self._source)

    async def fresh(self) -> str | None:
        """A token for a new connection. Raises `TryLater` when the callable fails."""
        source = self._source
        if source is None or isinstance(source, str):
            return source
        try:
            token = source()
            if isawaitable(token):
                token = await token
        except Exception as error:
            raise TryLater("unavailable", f"no token could be had: {error!r}") from error
        assert isinstance(token, str)
        self._watch(token)
        return token

    def replace(self, token: str) -> None:
        """The program has a newer one, for this and later connections."""
        if not self.is_renewable:
            self._source = token

    def connected(self, is_connected: bool) -> None:
        self._is_connected = is_connected

    def renew(self) -> None:
        """Asks for a new token and sends it; does nothing without a connection, which asks by itself."""
        if self.is_renewable and self._is_connected and (self._renewal is None or self._renewal.done()):
            self._renewal = self._loop.create_task(self._renew(), name="hubbub-token")

    def stop(self) -> None:
        self._alarm.stop()
        if self._renewal is not None:
            self._renewal.cancel()

    async def _renew(self) -> None:
        try:
            token = await self.fresh()
            if token is not None and self.refresh is not None:
                await self.refresh(token)
        except HubbubError as error:
            # The server ends the connection when its patience does, and the next one asks again.
            log.warning("the token was not renewed: %s", error)

    def _watch(self, token: str) -> None:
        expires = expiry_of(token)
        if expires is not None:
            left = expires - self._wall() / 1000
            self._alarm.stop()
            self._alarm.by(self._loop.time() + max(0.0, left - min(_EARLY, left / 10)))


def expiry_of(token: str) -> float | None:
    """When a JSON Web Token expires, in seconds since 1970; None for what is none or says nothing of it."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(body, type=_Claims).exp
    except (ValueError, msgspec.MsgspecError):
        return None
