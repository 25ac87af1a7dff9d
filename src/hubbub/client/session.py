"""Who this client is to the server, and how it introduces itself over a new connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from hubbub.client.composing import Composer
from hubbub.protocol.limits import MAX_MESSAGE
from hubbub.protocol.messages import (
    HelloMessage,
    Message,
    RestoreSessionMessage,
    SessionRestoredMessage,
    WelcomeMessage,
)
from hubbub.protocol.payloads import Hello, Position, RestoreSession, Welcome
from hubbub.protocol.versions import HIGHEST

_HEARTBEAT = 25.0
_ROOM = 4096
"""Bytes of the largest message that are left for what is no position: token, ids."""


class Session:
    """What the server gave to know this client again by."""

    def __init__(self, composer: Composer, *, user: str | None, profile: dict[str, Any] | None) -> None:
        self._composer = composer
        self._wanted_user = user
        self._profile = profile
        self.id: str | None = None
        """A secret: whoever has it is this session. None before the first welcome, and once it has expired."""
        self.connection_id = ""
        self.user = user or ""
        self.welcome: Welcome | None = None
        self._attempt = 0

    @property
    def heartbeat(self) -> float:
        """Seconds of silence after which the server is asked for a sign of life."""
        return _HEARTBEAT if self.welcome is None else max(1.0, self.welcome.heartbeat_ms / 1000)

    @property
    def max_message(self) -> int:
        """Bytes of the largest message that the server takes."""
        given = None if self.welcome is None else self.welcome.limits.get("message_bytes")
        return given if isinstance(given, int) and given > 0 else MAX_MESSAGE

    def greeting(
        self, token: str | None, positions: Iterable[tuple[str, Position]], ticket: str | None = None
    ) -> Message:
        """What to say first: the session from before if there is one, else hello. `ticket` is of a `migrate`.

        Positions that find no room are left out, the last ones first: the server then goes on from its own.
        """
        if self.id is None:
            return self.hello(token)
        room = self.max_message - _ROOM - len(token or "")
        given: dict[str, Position] = {}
        for log, position in positions:
            # JSON may take six bytes for a character.
            room -= 6 * len(log) + 6 * len(position.epoch) + 60
            if room < 0:
                break
            given[log] = position
        # It grows: an attempt that was given up and arrives late must not take the session from a later one.
        self._attempt = max(self._attempt + 1, self._composer.now_ms())
        return RestoreSessionMessage(
            version=str(HIGHEST),
            message_id=self._composer.new_id(),
            session_id=self.id,
            connection_id=self.connection_id or UNSET,
            payload=RestoreSession(
                positions=given,
                token=UNSET if token is None else token,
                ticket=UNSET if ticket is None else ticket,
                attempt=self._attempt,
            ),
        )

    def hello(self, token: str | None) -> HelloMessage:
        """A new session is asked for."""
        payload = Hello()
        if token is not None:
            payload.token = token
        if self._wanted_user is not None:
            payload.user = self._wanted_user
        if self._profile is not None:
            payload.profile = self._profile
        return HelloMessage(version=str(HIGHEST), message_id=self._composer.new_id(), payload=payload)

    def welcomed(self, message: WelcomeMessage) -> None:
        """A new session has begun."""
        self.welcome = message.payload
        self.user = message.payload.user
        self.id = message.session_id
        self.connection_id = message.connection_id

    def restored(self, message: SessionRestoredMessage) -> None:
        """The session goes on over a new connection."""
        self.id = message.session_id
        self.connection_id = message.connection_id

    def expired(self) -> None:
        """The server does not know it any more."""
        self.id = None
