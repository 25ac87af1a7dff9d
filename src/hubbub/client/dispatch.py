"""Where each type of message goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from hubbub.client.answers import error_from
from hubbub.client.attached import Attached
from hubbub.client.deliveries import Deliveries
from hubbub.client.events import Events
from hubbub.client.memberships import Memberships
from hubbub.client.publishing import Publishing
from hubbub.client.requests import Requests
from hubbub.client.tokens import Tokens
from hubbub.errors import BadMessage
from hubbub.protocol import messages
from hubbub.protocol.messages import Message

log = logging.getLogger("hubbub.client")


class Dispatch:
    """Hands every message of an established connection to whom it concerns."""

    def __init__(
        self,
        *,
        publishing: Publishing,
        requests: Requests,
        memberships: Memberships,
        deliveries: Deliveries,
        tokens: Tokens,
        events: Events,
        migrate: Callable[[messages.MigrateMessage], None],
        attached: Attached,
    ) -> None:
        self._publishing = publishing
        self._requests = requests
        self._tokens = tokens
        self._events = events
        self._deliver = deliveries.message
        self._attached = attached
        self._handlers: dict[type[Message], Callable[[Any], object]] = {
            messages.AckMessage: self._answered,
            messages.PongMessage: self._answered,
            messages.HistoryMessage: self._answered,
            messages.PresenceMessage: self._present,
            messages.ErrorMessage: self._refused,
            messages.GapMessage: deliveries.gap,
            messages.PositionMessage: deliveries.position,
            messages.SubscribedMessage: memberships.added,
            messages.UnsubscribedMessage: memberships.removed,
            messages.SystemMessage: lambda message: events.tell("system", message),
            messages.MigrateMessage: migrate,
        }

    def __call__(self, message: Message) -> None:
        handler = self._handlers.get(type(message))
        try:
            if self._attached and self._attached.take(message):
                return
            if handler is not None:
                handler(message)
            elif isinstance(message, messages.ApplicationMessage):
                self._deliver(message)
        except BadMessage as error:
            # A newer server may have kinds of channel that this client does not know.
            log.debug("ignored a message: %s", error)

    def _answered(self, message: Message) -> None:
        id = message.message_id
        if id is not UNSET and not self._publishing.answer(id, message):
            self._requests.answer(id, message)

    def _present(self, message: messages.PresenceMessage) -> None:
        if message.message_id is UNSET:
            self._events.tell("presence", message)
        else:
            self._answered(message)

    def _refused(self, message: messages.ErrorMessage) -> None:
        error = error_from(message)
        if error.code == "token_expired":
            self._tokens.renew()
        id = error.message_id
        if id is not None and (self._publishing.answer(id, error) or self._requests.answer(id, error)):
            return
        log.warning("the server says %s", error)
        self._events.tell("error", error)
