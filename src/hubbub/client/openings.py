"""How subscriptions begin and end: what they need of the server, and who gets the messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.deliveries import Deliveries
from hubbub.client.memberships import Memberships
from hubbub.client.subscription import Subscription
from hubbub.errors import Conflict, HubbubError

_PATIENCE = 5.0
"""Seconds for which the end of a subscription waits for the server's word."""


class Openings:
    """Implements `hubbub.client.subscription.Owner`."""

    def __init__(
        self,
        memberships: Memberships,
        deliveries: Deliveries,
        acks: Acknowledging,
        *,
        is_connected: Callable[[], bool],
    ) -> None:
        self._memberships = memberships
        self._deliveries = deliveries
        self._acks = acks
        self._is_connected = is_connected

    async def begin_subscription(self, subscription: Subscription) -> None:
        """Messages come from now on, once the server lets it in. Raises what it answers otherwise."""
        known = self._memberships.find(subscription.channel.text)
        if subscription.channel.kind == "room" and known is not None and known.ack:
            # Who joined with acks meant all that the application does with the room's messages.
            subscription.ack = True
        self._deliveries.add(subscription)
        if subscription.ack:
            self._acks.add(subscription)
        try:
            await self._enter(subscription)
        except BaseException:
            self._deliveries.remove(subscription)
            self._memberships.settle_acks(subscription.channel.log)
            raise

    async def end_subscription(self, subscription: Subscription) -> None:
        """It gets nothing more; a topic's last subscription is ended at the server, too."""
        self._deliveries.remove(subscription)
        channel = subscription.channel
        if channel.kind != "topic" or channel.text not in self._memberships or self._deliveries.of(channel.text):
            return
        # After that the server does not read the log for this client any more, and would not know what it is told.
        self._acks.flush()
        try:
            request = self._memberships.unsubscribe(channel.text)
        except HubbubError:
            # There is no connection any more, nor will there be one.
            return
        if self._is_connected():
            await asyncio.wait((request.future,), timeout=_PATIENCE)

    def taken(self, subscription: Subscription) -> None:
        self._deliveries.taken(subscription)

    def processed(self, subscription: Subscription) -> None:
        self._acks.processed(subscription)

    async def _enter(self, subscription: Subscription) -> None:
        channel, ack, position = subscription.channel, subscription.ack, subscription.position
        if channel.kind == "topic":
            known = self._memberships.find(channel.text)
            if known is None or (ack and not known.ack):
                await self._memberships.subscribe(channel.text, position=position, ack=ack)
        elif channel.kind == "room":
            await self._enter_room(channel.text, subscription)

    async def _enter_room(self, room: str, subscription: Subscription) -> None:
        known = self._memberships.find(room)
        if known is None:
            try:
                await self._memberships.join(room, position=subscription.position, ack=subscription.ack)
                return
            except Conflict as error:
                # Another subscription of this client was faster.
                known = self._memberships.find(room)
                if error.code != "already_joined" or known is None:
                    raise
        if subscription.ack and not known.ack:
            raise Conflict("already_joined", f"{room} was joined without acks: leave it first", field="payload.ack")
