"""Making the messages that a client sends."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET

from hubbub.protocol import messages
from hubbub.protocol.building import build_message
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import ApplicationMessage
from hubbub.protocol.payloads import Command, History, Position, Subscribe
from hubbub.protocol.wire import Wire

Action = Literal["join", "leave", "mute", "unmute", "kick"]

_SENDER = "-"
"""Stands where the session's user will: whose name it is may not be known before the welcome."""


class Composer:
    """Gives every message its id and time. Who sends it is written in when it goes out."""

    def __init__(self, wire: Wire, rng: random.Random, wall: Callable[[], int]) -> None:
        self._wire = wire
        self._rng = rng
        self._wall = wall

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._wall()

    def publication(
        self,
        channel: str,
        payload: Any,
        *,
        type: str | None,
        metadata: dict[str, Any] | None,
        message_id: str | None,
    ) -> ApplicationMessage:
        """Raises `BadMessage`, naming the field, and `ConfigurationError` for a payload of no registered type."""
        parse_channel(channel)
        return build_message(
            self._wire,
            payload,
            type=type,
            channel=channel,
            sender=_SENDER,
            timestamp=self._wall(),
            metadata=metadata,
            message_id=message_id or self.new_id(),
        )

    def command(
        self,
        room: str,
        action: Action,
        *,
        target: str | None = None,
        position: Position | None = None,
        ack: bool = False,
    ) -> messages.CommandMessage:
        """Raises `BadMessage` for what is no channel."""
        return messages.CommandMessage(
            message_id=self.new_id(),
            timestamp=self._wall(),
            sender=_SENDER,
            channel=parse_channel(room).text,
            payload=Command(action=action, target=target, position=position or UNSET, ack=ack or UNSET),
        )

    def subscribe(self, channel: str, *, position: Position | None, ack: bool) -> messages.SubscribeMessage:
        payload = Subscribe(position=position or UNSET, ack=ack or UNSET)
        return messages.SubscribeMessage(message_id=self.new_id(), channel=channel, payload=payload)

    def unsubscribe(self, channel: str) -> messages.UnsubscribeMessage:
        return messages.UnsubscribeMessage(message_id=self.new_id(), channel=channel)

    def history(
        self, channel: str, *, after: int | None, before: int | None, limit: int | None
    ) -> messages.HistoryMessage:
        query = History()
        if after is not None:
            query.after = after
        if before is not None:
            query.before = before
        if limit is not None:
            query.limit = limit
        return messages.HistoryMessage(message_id=self.new_id(), channel=channel, payload=query)

    def presence(self, room: str) -> messages.PresenceMessage:
        return messages.PresenceMessage(message_id=self.new_id(), channel=room)

    def ping(self) -> messages.PingMessage:
        return messages.PingMessage(message_id=self.new_id())
