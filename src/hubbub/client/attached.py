"""Channels whose messages go to somebody beside the client, as a document's do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from msgspec import UNSET, UnsetType

from hubbub.errors import ConfigurationError
from hubbub.protocol.messages import Message

Receive = Callable[[Message], None]

_MOST_SENT = 1000
"""Requests whose refusal is still known to be somebody's."""


class Attached:
    """By channel. What is sent for one is remembered, so that its refusal, which names no channel, finds there, too."""

    def __init__(self) -> None:
        self._receivers: dict[str, Receive] = {}
        self._sent: OrderedDict[str, str] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._receivers)

    def add(self, channel: str, receive: Receive) -> Callable[[], None]:
        """Returns how to take it away again. Raises `ConfigurationError` for a channel that somebody has."""
        if channel in self._receivers:
            raise ConfigurationError(channel, "is attached to already: once a client")
        self._receivers[channel] = receive

        def remove() -> None:
            if self._receivers.get(channel) is receive:
                del self._receivers[channel]

        return remove

    def sent(self, message: Message) -> None:
        """This goes out."""
        if message.message_id is not UNSET and message.channel is not UNSET:
            self._sent[message.message_id.lower()] = message.channel
            if len(self._sent) > _MOST_SENT:
                self._sent.popitem(last=False)

    def take(self, message: Message) -> bool:
        """Whether it was for one of these, who has it now."""
        channel: str | UnsetType = message.channel
        if message.message_id is not UNSET:
            # An answer, which may be to somebody else's question about the same channel.
            channel = self._sent.pop(message.message_id.lower(), UNSET)
        receive = None if channel is UNSET else self._receivers.get(channel)
        if receive is None:
            return False
        receive(message)
        return True
