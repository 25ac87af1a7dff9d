"""The rooms and topics this client is in, and how a new session gets back into them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Sequence

from msgspec import UNSET

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.composing import Composer
from hubbub.client.deliveries import Deliveries
from hubbub.client.detours import Detours
from hubbub.client.events import Events
from hubbub.client.positions import Positions
from hubbub.client.requests import Request, Requests
from hubbub.errors import Conflict, HubbubError, InternalError, OutcomeUnknown, ProtocolError, TryLater
from hubbub.protocol import messages
from hubbub.protocol.channels import Channel, parse_channel
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import AckDetails, Position, Presence

log = logging.getLogger("hubbub.client")

_RETRIES = 3
_RETRY_DELAY = 1.0


_PASSING = (TryLater, InternalError, OutcomeUnknown)


class Membership:
    """A room joined, or a topic or pattern subscribed to."""

    __slots__ = ("ack", "channel")

    def __init__(self, channel: Channel, ack: bool) -> None:
        self.channel = channel
        self.ack = ack
        """Whether the server awaits acks of what it delivers for it."""


class Memberships:
    """Asks the server to let this client in and out, and remembers where it is in."""

    def __init__(
        self,
        composer: Composer,
        requests: Requests,
        positions: Positions,
        acks: Acknowledging,
        deliveries: Deliveries,
        events: Events,
        detours: Detours,
    ) -> None:
        self._composer = composer
        self._requests = requests
        self._positions = positions
        self._acks = acks
        self._deliveries = deliveries
        self._events = events
        self._detours = detours
        self._entries: dict[str, Membership] = {}

    def __contains__(self, channel: object) -> bool:
        return channel in self._entries

    def find(self, channel: str) -> Membership | None:
        return self._entries.get(channel)

    def logs(self) -> set[str]:
        """The logs that this client reads because of them."""
        return {entry.channel.log for entry in self._entries.values()}

    def settle_acks(self, log: str) -> None:
        """Nothing is acknowledged of a log that nothing asked for acks of."""
        if not any(entry.ack and entry.channel.log == log for entry in self._entries.values()):
            self._acks.forget(log)

    # --- In and out ------------------------------------------------------------------------------------

    async def join(self, room: str, *, position: Position | None, ack: bool) -> AckDetails:
        """Raises what the server answers (`room_full`, `not_found`, `already_joined`, `forbidden`)."""
        channel = parse_channel(room)
        answer = await self._requests.ask(
            self._composer.command(room, "join", position=position, ack=ack),
            repeatable=True,
            forgiven=frozenset({"already_joined"}),
            on_answer=lambda answer: self._entered(channel, position, answer, ack),
        )
        return answer.payload if isinstance(answer.payload, AckDetails) else await self._details(channel)

    async def subscribe(self, topic: str, *, position: Position | None, ack: bool) -> AckDetails:
        """Raises what the server answers."""
        channel = parse_channel(topic)
        answer = await self._requests.ask(
            self._composer.subscribe(topic, position=position, ack=ack),
            repeatable=True,
            on_answer=lambda answer: self._entered(channel, position, answer, ack),
        )
        return answer.payload if isinstance(answer.payload, AckDetails) else AckDetails()

    async def leave(self, room: str) -> None:
        """Raises what the server answers (`not_joined`)."""
        channel = parse_channel(room)
        # A session that is begun anew while this waits for its answer is not to join again.
        self._entries.pop(room, None)
        await self._requests.ask(
            self._composer.command(room, "leave"),
            repeatable=True,
            forgiven=frozenset({"not_joined"}),
            on_answer=lambda _: self._left(channel),
        )

    def unsubscribe(self, topic: str) -> Request:
        """Ends all subscriptions of this topic or pattern. What is returned has the answer, when it comes."""
        channel = self._entries.pop(topic).channel
        request = self._requests.request(
            self._composer.unsubscribe(topic),
            forgiven=frozenset({"not_found"}),
            on_answer=lambda _: self._left(channel),
        )
        request.repeatable = True
        return self._requests.submit(request)

    # --- What the server does by itself ----------------------------------------------------------------

    def added(self, message: messages.SubscribedMessage) -> None:
        """The server let this client in."""
        channel = parse_channel(str(message.channel))
        self._positions.learn(channel.log, message.payload)
        # Groups are the server's affair: nobody can ask to be in one.
        if channel.kind in ("room", "topic") and channel.text not in self._entries:
            self._entries[channel.text] = Membership(channel, False)
        self._events.tell("subscribed", message)

    def removed(self, message: messages.UnsubscribedMessage) -> None:
        """The server put this client out."""
        channel = parse_channel(str(message.channel))
        if self._entries.pop(channel.text, None) is not None:
            self._left(channel)
        self._events.tell("unsubscribed", message)

    # --- After a reconnect -----------------------------------------------------------------------------

    def missing(self, logs: Container[str]) -> list[Membership]:
        """Those whose logs the server does not read for this session any more."""
        return [entry for entry in self._entries.values() if entry.channel.log not in logs]

    def everything(self) -> list[Membership]:
        return list(self._entries.values())

    async def restore(self, entries: Sequence[Membership], is_current: Callable[[], bool]) -> None:
        """Gets back into these, each log from where it was left, until that is done or `is_current` denies.

        All are asked for at once, so that the topics of one log are all there before it is read on. One that the
        server refuses is over: its subscriptions raise the error.
        """
        left = list(entries)
        before = {entry.channel.log: self._positions.get(entry.channel.log) for entry in entries}
        for attempt in range(_RETRIES + 1):
            asked = [(entry, self._ask(entry, before[entry.channel.log])) for entry in left]
            left, delay = [], 0.0
            for entry, request in asked:
                error = await self._outcome(request)
                if not is_current():
                    return
                if isinstance(error, _PASSING) and attempt < _RETRIES:
                    left.append(entry)
                    delay = max(delay, _wait_for(error))
                elif error is not None:
                    self._refused(entry, error)
            if not left:
                return
            await asyncio.sleep(delay)
            if not is_current():
                return

    def _ask(self, entry: Membership, position: Position | None) -> Request:
        text, ack = entry.channel.text, entry.ack
        message: Message
        if entry.channel.kind == "room":
            message = self._composer.command(text, "join", position=position, ack=ack)
        else:
            message = self._composer.subscribe(text, position=position, ack=ack)
        request = self._requests.request(message, on_answer=lambda answer: self._returned(entry, position, answer))
        return self._requests.submit(request, at_once=True)

    def _returned(self, entry: Membership, before: Position | None, answer: Message) -> None:
        channel, details = entry.channel, answer.payload
        if self._entries.get(channel.text) is not entry or not isinstance(details, AckDetails):
            return
        now = _place(details)
        reading = self._positions.reading(channel.log)
        if now is not None and before is not None and reading is not None and _is_overtaken(channel, before, details):
            # The log was read on for another topic before this one was there again. What it missed is kept.
            self._positions.learn(channel.log, now)
            self._detours.begin(channel, before, now.offset, reading.era)
        elif now is not None:
            only = channel.text if channel.kind == "topic" else None
            self._deliveries.located(channel.log, before, now, details.recovered is not False, only=only)
        if entry.ack:
            self._acks.want(channel.log)

    async def _outcome(self, request: Request) -> HubbubError | None:
        try:
            await self._requests.result(request)
        except HubbubError as error:
            return None if isinstance(error, Conflict) and error.code == "already_joined" else error
        return None

    def _refused(self, entry: Membership, error: HubbubError) -> None:
        channel = entry.channel
        log.warning("%s cannot be entered again: %s", channel.text, error)
        if self._entries.pop(channel.text, None) is not None:
            self._left(channel)
        for subscription in self._deliveries.of(channel.text):
            subscription.finish(error)
        self._events.tell("error", error)
        self._events.tell("unsubscribed", messages.UnsubscribedMessage(channel=channel.text))

    # --- Inside ----------------------------------------------------------------------------------------

    def _entered(self, channel: Channel, wanted: Position | None, answer: Message, ack: bool) -> None:
        self._entries[channel.text] = Membership(channel, ack)
        if ack:
            self._acks.want(channel.log)
        details = answer.payload
        now = _place(details) if isinstance(details, AckDetails) else None
        if now is None:
            return
        if wanted is None or channel.log in self._positions:
            # The session's own position, if it reads this log already: everything up to it has come.
            self._positions.learn(channel.log, now)
        else:
            self._positions.restart(channel.log, wanted)
            self._deliveries.located(channel.log, wanted, now, details.recovered is not False)

    async def _details(self, channel: Channel) -> AckDetails:
        """What the ack of a join would have said that was lost with its connection."""
        found = AckDetails(recovered=True)
        position = self._positions.get(channel.log)
        if position is not None:
            found.epoch, found.offset = position.epoch, position.offset
        answer = await self._requests.ask(self._composer.presence(channel.text), repeatable=True)
        if isinstance(answer.payload, Presence):
            found.members, found.count = answer.payload.members, answer.payload.count
        return found

    def _left(self, channel: Channel) -> None:
        if channel.log not in self.logs():
            self._positions.forget(channel.log)
            self._acks.forget(channel.log)


def _is_overtaken(channel: Channel, before: Position, details: AckDetails) -> bool:
    """Whether the session reads the log already, and is further there than this channel was."""
    if channel.kind != "topic" or details.recovered is False or details.offset is UNSET:
        return False
    return details.epoch == before.epoch and details.offset > before.offset


def _place(details: AckDetails) -> Position | None:
    if details.epoch is UNSET or details.offset is UNSET:
        return None
    return Position(details.epoch, details.offset)


def _wait_for(error: HubbubError) -> float:
    given = error.retry_after_ms if isinstance(error, ProtocolError) else None
    return _RETRY_DELAY if given is None else given / 1000
