"""What the application itself publishes, and how it learns what became of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from hubbub.errors import ProtocolError
from hubbub.hub.audience import Audience
from hubbub.hub.hub import Hub
from hubbub.hub.users import User
from hubbub.protocol.building import build_message
from hubbub.protocol.messages import ApplicationMessage
from hubbub.protocol.payloads import Position


class Publisher:
    """Builds messages and publishes them; every method raises `ProtocolError` for what cannot be published."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def build(
        self,
        channel: str | None,
        payload: Any,
        *,
        type: str | None,
        sender: str,
        metadata: dict[str, Any] | None,
        message_id: str | None = None,
    ) -> ApplicationMessage:
        """A message as it goes into the log, under a new id unless one is given."""
        return build_message(
            self._hub.wire,
            payload,
            type=type,
            channel=channel,
            sender=sender,
            timestamp=self._hub.wall_ms(),
            metadata=metadata,
            message_id=message_id or str(uuid.uuid4()),
        )

    def audience(self, groups: Sequence[str] | None, where: Callable[[User], bool] | None) -> Audience | None:
        """Whom a broadcast is for; None for everyone. Raises `Conflict` (`not_found`) for an unknown group."""
        if groups is not None:
            for group in groups:
                self._hub.groups.get(group)
            return Audience(groups=tuple(sorted(set(groups))))
        if where is None:
            return None
        sessions = self._hub.groups.by_key.items()
        return Audience(sessions=frozenset(key for key, one in sessions if where(one.user)))

    async def publish(self, message: ApplicationMessage, audience: Audience | None = None) -> Position:
        """Returns the message's position once the log has it."""
        future: asyncio.Future[Position] = asyncio.get_running_loop().create_future()

        def settle(outcome: Position | ProtocolError) -> None:
            if future.done():
                return
            if isinstance(outcome, ProtocolError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._hub.publish(message, audience, settle)
        return await future
