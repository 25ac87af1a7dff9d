"""Acknowledging deliveries: what the application has processed, of every log that asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.client.alarm import Alarm
from hubbub.client.positions import Positions
from hubbub.client.subscription import Subscription
from hubbub.protocol.messages import AckMessage

DELAY = 0.1
"""Seconds after which progress is acknowledged at the latest."""

BATCH = 64
"""Messages after which it is acknowledged at once."""


class _Log:
    """A log whose deliveries the server awaits."""

    __slots__ = ("acked", "delivered", "era", "limit", "processed", "readers")

    def __init__(self, era: int) -> None:
        self.era = era
        self.delivered = 0
        """The last offset that came as a message."""
        self.acked = 0
        self.limit: int | None = None
        """How far this connection has brought it, while that is less than another one did."""
        self.processed = 0
        """Messages since the last ack."""
        self.readers: list[Subscription] = []


class Acknowledging:
    """Cumulative by offset: everything up to it is processed by all subscriptions that ask for acks.

    What no such subscription wants is processed when it comes. One timer for all logs.
    """

    def __init__(self, positions: Positions, send: Callable[[AckMessage], None]) -> None:
        """`send` is called between `resumed` and `suspended` only."""
        self._loop = asyncio.get_running_loop()
        self._positions = positions
        self._send = send
        self._logs: dict[str, _Log] = {}
        self._dirty: dict[str, None] = {}
        self._alarm = Alarm(self.flush)
        self._is_open = False

    def __contains__(self, log: object) -> bool:
        return log in self._logs

    def want(self, log: str) -> None:
        """The server awaits acks of this log from now on."""
        if log not in self._logs:
            reading = self._positions.reading(log)
            self._logs[log] = _Log(-1 if reading is None else reading.era)

    def forget(self, log: str) -> None:
        """The log is not read any more."""
        self._logs.pop(log, None)
        self._dirty.pop(log, None)

    def add(self, subscription: Subscription) -> None:
        """What this subscription has not processed is not acknowledged."""
        self.want(subscription.channel.log)
        self._logs[subscription.channel.log].readers.append(subscription)

    def remove(self, subscription: Subscription) -> None:
        log = self._logs.get(subscription.channel.log)
        if log is not None and subscription in log.readers:
            log.readers.remove(subscription)
            self._progress(subscription.channel.log, log)

    def received(self, name: str, offset: int, is_awaited: bool) -> None:
        """A message came; `is_awaited`: a subscription that asks for acks has it in its queue now."""
        log = self._logs.get(name)
        reading = self._positions.reading(name)
        if log is None or reading is None:
            return
        if log.era != reading.era:
            log.era, log.acked = reading.era, 0
        log.delivered, log.limit = offset, None
        if not is_awaited:
            self._progress(name, log)

    def repeated(self, name: str, offset: int) -> None:
        """Something came that was had before: the server may not know what was processed."""
        log = self._logs.get(name)
        if log is not None:
            log.acked = 0
            if log.limit is not None:
                log.limit = max(log.limit, offset)
            self._touch(name)

    def located(self, name: str, limit: int | None) -> None:
        """A new connection goes on with this log; after `limit`, where another one brought it further meanwhile.

        The server that was left behind does not hear of what this one has not sent yet.
        """
        log = self._logs.get(name)
        if log is not None:
            log.limit = limit

    def processed(self, subscription: Subscription) -> None:
        """The subscription is through with one message."""
        log = self._logs.get(subscription.channel.log)
        if log is not None and subscription.ack:
            self._progress(subscription.channel.log, log)

    def suspended(self) -> None:
        """There is no connection, or the server does not read all logs for it yet."""
        self._is_open = False

    def resumed(self) -> None:
        """There is a new connection: what was processed is said over it, since it may not have been heard."""
        self._is_open = True
        for name, log in self._logs.items():
            log.acked = 0
            self._touch(name)

    def flush(self) -> None:
        """Acknowledges at once whatever was processed."""
        self._alarm.stop()
        dirty, self._dirty = self._dirty, {}
        for name in dirty:
            self._acknowledge(name, self._logs[name])

    def stop(self) -> None:
        self._alarm.stop()

    def _progress(self, name: str, log: _Log) -> None:
        log.processed += 1
        if log.processed >= BATCH:
            self._dirty.pop(name, None)
            self._acknowledge(name, log)
        else:
            self._touch(name)

    def _touch(self, name: str) -> None:
        self._dirty[name] = None
        if not self._alarm.is_set:
            self._alarm.by(self._loop.time() + DELAY)

    def _acknowledge(self, name: str, log: _Log) -> None:
        log.processed = 0
        reading = self._positions.reading(name)
        if not self._is_open or reading is None or not reading.epoch or log.era != reading.era:
            return
        offset = log.delivered if log.limit is None else min(log.delivered, log.limit)
        for subscription in log.readers:
            oldest = subscription.outstanding()
            if oldest is None:
                continue
            era, first = oldest
            if era != log.era:
                return
            offset = min(offset, first - 1)
        if offset > log.acked:
            log.acked = offset
            self._send(AckMessage(channel=name, offset=offset, epoch=reading.epoch))
