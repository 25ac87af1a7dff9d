"""From what the server delivers to the subscriptions that want it: each message once, in order, none in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubbub.client.acknowledging import Acknowledging
from hubbub.client.events import Events
from hubbub.client.positions import Positions
from hubbub.client.subscription import Queued, Subscription
from hubbub.delivery.acks import WINDOW
from hubbub.delivery.pieces import PieceJoiner
from hubbub.errors import BadMessage, HubbubError, MessagesMissed
from hubbub.protocol import messages
from hubbub.protocol.channels import parse_channel
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.client.detours import Detour

_HIGH_ACKED = 4 * WINDOW
"""The server sends no more than a window of what is to be acknowledged: a queue this long is its fault."""

_OVERFLOW = 4096
"""Messages in one queue at which reading stops, whatever waits for an answer behind them."""


class Deliveries:
    """All subscriptions of a client, and whether its socket is read.

    It is not read while a queue is full, unless somebody waits for an answer, which comes behind the messages
    that do not fit: then reading goes on, up to 4096 messages in one queue.
    """

    def __init__(
        self,
        positions: Positions,
        acks: Acknowledging,
        events: Events,
        *,
        read: Callable[[bool], None],
        is_awaited: Callable[[], bool],
    ) -> None:
        """`read` begins or stops reading the socket; `is_awaited` says whether an answer is waited for."""
        self._loop = asyncio.get_running_loop()
        self._positions = positions
        self._acks = acks
        self._events = events
        self._read = read
        self._is_awaited = is_awaited
        self._by_log: dict[str, list[Subscription]] = {}
        self._full: dict[Subscription, None] = {}
        self._is_reading = True
        self._pieces = PieceJoiner()
        self._detours: dict[Subscription, Detour] = {}
        self._ended: HubbubError | None = None

    # --- What comes ------------------------------------------------------------------------------------

    def message(self, message: messages.ApplicationMessage) -> None:
        """An application's message: to whom it concerns, unless it was had before."""
        if message.channel is UNSET:
            return
        channel = message.channel
        log = parse_channel(channel).log
        stored = message.offset is not UNSET
        if message.offset is not UNSET and not self._positions.receive(log, message.offset):
            self._acks.repeated(log, message.offset)
            return
        awaited = False
        if self._assemble(message, self._pieces):
            reading = self._positions.reading(log)
            era, received = (0, 0) if reading is None else (reading.era, reading.offset)
            # What is not stored stands between what was received and what comes next.
            queued = Queued(message, era, received if stored else received + 1)
            for subscription in self._by_log.get(log, ()):
                if subscription.wants(channel):
                    self._put(subscription, queued)
                    awaited = awaited or subscription.ack
        if message.offset is not UNSET:
            self._acks.received(log, message.offset, awaited)

    def gap(self, message: messages.GapMessage) -> None:
        """The server says what will not come."""
        gap, log = message.payload, str(message.channel)
        before = self._positions.get(log)
        now = Position(gap.epoch, gap.to)
        start = gap.start
        if before is not None and before.epoch == now.epoch:
            if now.offset <= before.offset:
                return
            start = max(start, before.offset + 1)
        self._positions.learn(log, now)
        self._miss(MessagesMissed(log, start, gap.to, gap.reason))

    def position(self, message: messages.PositionMessage) -> None:
        """The server says how far the logs have come without anything for this client."""
        for log, position in message.payload.positions.items():
            self._positions.learn(log, position)

    def located(
        self, log: str, before: Position | None, now: Position, recovered: bool, *, only: str | None = None
    ) -> None:
        """The server says where it goes on delivering a log that was left at `before`; None: it was not read.

        If that leaves something out, the subscriptions are told in its place; with `only`, those of that channel.
        """
        here = self._positions.get(log)
        if not recovered and here is not None and here == before and now.offset < here.offset:
            self._positions.restart(log, now)
        else:
            self._positions.learn(log, now)
        if before is None:
            if not recovered:
                self._miss(MessagesMissed(log, 1, now.offset), only)
        elif before.epoch != now.epoch:
            # What is left of the old log nobody gets: all its readers are told, before anything of the new one.
            is_news = here is None or here.epoch != now.epoch
            self._miss(MessagesMissed(log, 1, now.offset, "the log was begun anew"), None if is_news else only)
        elif now.offset > before.offset:
            self._miss(MessagesMissed(log, before.offset + 1, now.offset), only)
        elif not recovered:
            # What comes has offsets that others had. How much is missing nobody knows: an empty range.
            self._miss(MessagesMissed(log, now.offset + 1, now.offset, "the end of the log was lost"), only)

    def _assemble(self, message: messages.ApplicationMessage, pieces: PieceJoiner) -> bool:
        """Whether the message is whole now: pieces of a large content are not, but for the last one."""
        if not isinstance(message, messages.DataMessage) or message.payload is UNSET:
            return True
        try:
            transfer = pieces.add(message.sender, message.payload, self._loop.time())
        except BadMessage as error:
            self._events.tell("error", error)
            return False
        if transfer is None:
            return False
        message.payload = transfer  # type: ignore[assignment]
        return True

    def _miss(self, missed: MessagesMissed, only: str | None = None) -> None:
        reading = self._positions.reading(missed.log)
        era, offset = (0, 0) if reading is None else (reading.era, reading.offset)
        for subscription in self._by_log.get(missed.log, ()):
            if only is None or subscription.channel.text == only:
                self._put(subscription, Queued(missed, era, offset))
        # One's own inbox and `all` are read by everyone: what nobody listens to nobody misses.
        if missed.log in self._by_log or missed.log.startswith(("room:", "topic:")):
            self._events.tell("gap", missed)

    # --- Detours ---------------------------------------------------------------------------------------

    def divert(self, detour: Detour) -> None:
        """What comes for the subscriptions of exactly this channel is not queued: it comes by history."""
        detour.subscriptions = self.of(detour.channel.text)
        for subscription in detour.subscriptions:
            self._detours[subscription] = detour
            subscription.diverted = (detour.era, detour.after + 1)

    def are_of(self, detour: Detour) -> bool:
        """Whether anybody still waits for it."""
        return any(self._detours.get(subscription) is detour for subscription in detour.subscriptions)

    def fill(self, detour: Detour, message: Message) -> None:
        """The next message, by history."""
        if not isinstance(message, messages.ApplicationMessage) or not self._assemble(message, detour.pieces):
            return
        for subscription in self._diverted(detour):
            self._queue(subscription, Queued(message, detour.era, detour.after))

    def miss(self, detour: Detour, missed: MessagesMissed) -> None:
        """The log no longer has what comes next."""
        for subscription in self._diverted(detour):
            self._queue(subscription, Queued(missed, detour.era, missed.last))
        self._events.tell("gap", missed)

    def rejoin(self, detour: Detour) -> None:
        """From now on what is delivered is queued. What has not come is missing."""
        if detour.after < detour.until and self._diverted(detour):
            self.miss(detour, detour.missing)
        for subscription in self._diverted(detour):
            self._straighten(subscription)

    def _diverted(self, detour: Detour) -> list[Subscription]:
        return [one for one in detour.subscriptions if self._detours.get(one) is detour]

    def _straighten(self, subscription: Subscription) -> None:
        detour = self._detours.pop(subscription, None)
        subscription.diverted = None
        if detour is not None:
            detour.drained.set()
        if subscription.ack:
            self._acks.processed(subscription)

    # --- Subscriptions ---------------------------------------------------------------------------------

    def add(self, subscription: Subscription) -> None:
        """Messages go to it from now on. Raises `ConnectionClosed` once there will be none."""
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        self._by_log.setdefault(subscription.channel.log, []).append(subscription)

    def remove(self, subscription: Subscription) -> None:
        """It gets nothing more."""
        log = subscription.channel.log
        others = self._by_log.get(log, [])
        if subscription in others:
            others.remove(subscription)
            if not others:
                del self._by_log[log]
        self._straighten(subscription)
        self._acks.remove(subscription)
        self._full.pop(subscription, None)
        self.update()

    def of(self, channel: str) -> list[Subscription]:
        """The subscriptions of exactly this channel or pattern."""
        log = parse_channel(channel).log
        return [one for one in self._by_log.get(log, ()) if one.channel.text == channel]

    def reads(self, log: str) -> bool:
        """Whether any subscription is on this log."""
        return log in self._by_log

    def taken(self, subscription: Subscription) -> None:
        """One was taken from its queue."""
        detour = self._detours.get(subscription) if self._detours else None
        if detour is not None:
            detour.drained.set()
        if subscription in self._full:
            if len(subscription) <= subscription.LOW:
                del self._full[subscription]
            self.update()

    def end(self, error: HubbubError) -> None:
        """There will be no other connection: what came can still be taken."""
        self._ended = error
        for subscriptions in self._by_log.values():
            for subscription in subscriptions:
                subscription.finish(error)

    # --- Whether the socket is read --------------------------------------------------------------------

    def update(self) -> None:
        """Stops or begins reading, as queues and those who wait for answers have changed."""
        wanted = not self._full
        if not wanted and self._is_awaited():
            wanted = all(len(subscription) < _OVERFLOW for subscription in self._full)
        if wanted != self._is_reading:
            self._is_reading = wanted
            self._read(wanted)

    def connected(self) -> None:
        """A new socket, which is read: stops that if it is to."""
        self._is_reading = True
        self.update()

    def _put(self, subscription: Subscription, queued: Queued) -> None:
        detour = self._detours.get(subscription) if self._detours else None
        if detour is not None:
            if detour.takes(queued):
                return
            if queued.era != detour.era:
                # The log was begun anew: nothing more of the old one can be had.
                self.rejoin(detour)
        self._queue(subscription, queued)

    def _queue(self, subscription: Subscription, queued: Queued) -> None:
        subscription.put(queued)
        if len(subscription) >= (_HIGH_ACKED if subscription.ack else subscription.HIGH):
            self._full[subscription] = None
            self.update()
