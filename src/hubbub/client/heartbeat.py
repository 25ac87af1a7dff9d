"""Finding out how good a connection is, and whether it is there at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.client.alarm import Alarm
from hubbub.delivery.link import INTERVAL, LinkMeter

PATIENCE = 8.0
"""Seconds that a peer has for an answer to a ping."""


class Heartbeat:
    """Pings every 5 s while there is traffic, and after `interval` seconds of silence.

    When nothing at all comes for 8 s after a ping the connection is dead, though nobody has closed it. While
    the socket is not read nothing can come: then nothing is concluded from it.
    """

    def __init__(
        self, meter: LinkMeter, *, ping: Callable[[], None], checked: Callable[[], None], dead: Callable[[], None]
    ) -> None:
        """`ping` sends one, and `answered` follows; `checked` hears every 5 s that the link was judged."""
        self._loop = asyncio.get_running_loop()
        self._meter = meter
        self._ping = ping
        self._checked = checked
        self._dead = dead
        self._alarm = Alarm(self._tick)
        self._interval = 0.0
        self._heard = 0.0
        self._check_at = 0.0
        self._is_silent = False
        self._is_active = True
        self._is_paused = False

    def start(self, interval: float) -> None:
        """The connection is established. `interval` in seconds."""
        now = self._loop.time()
        self._interval = interval
        self._heard = now
        self._check_at = now + INTERVAL
        self._plan()

    def stop(self) -> None:
        self._alarm.stop()

    def heard(self) -> None:
        """Something came."""
        self._heard = self._loop.time()
        self._is_silent = False

    def active(self) -> None:
        """There is traffic: the link is to be measured."""
        self._is_active = True

    def answered(self) -> None:
        """The pong came."""
        self._meter.answered(self._loop.time())

    def pause(self, is_paused: bool) -> None:
        """The socket is not read now, or again."""
        self._is_paused = is_paused
        self.heard()
        if self._meter.pinged_at is not None:
            # How long its pong lay unread says nothing.
            self._meter.pinged_at = self._heard

    def _tick(self) -> None:
        now = self._loop.time()
        pinged = self._meter.pinged_at
        if pinged is not None and not self._is_paused and now >= pinged + PATIENCE:
            if self._is_silent:
                self._dead()
                return
            # The peer lives, but answers no pings: that is a measurement, too.
            self._meter.answered(now)
        if now >= self._check_at:
            self._check_at = now + INTERVAL
            self._meter.check(now)
            self._checked()
            if self._is_active:
                self._is_active = False
                self._send()
        if now >= self._heard + self._interval:
            self._send()
        self._plan()

    def _send(self) -> None:
        if self._meter.pinged_at is None and not self._is_paused:
            self._meter.pinged(self._loop.time())
            self._is_silent = True
            self._ping()

    def _plan(self) -> None:
        when = self._check_at
        if self._is_paused:
            self._alarm.by(when)
            return
        pinged = self._meter.pinged_at
        when = min(when, self._heard + self._interval if pinged is None else pinged + PATIENCE)
        self._alarm.by(when)
