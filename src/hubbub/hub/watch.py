"""Connections watched: counters, idleness, pings and time limits. One sweep a second for all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from hubbub.config import Settings
from hubbub.errors import Denied
from hubbub.hub.connection import Connection, State

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.connections")

SMOOTHING = 0.25
"""The weight of a new round trip in the average."""


class ConnectionStatistics(Struct, frozen=True):
    """One connection's figures. Times in seconds; `idle` and `age` count from now, `round_trip` is smoothed."""

    id: str
    user: str
    state: str
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    idle: float
    age: float
    round_trip: float | None


class HubStatistics(Struct, frozen=True):
    """The hub's figures; the counters include connections that are gone."""

    connections: int
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int


class Watch:
    """Looks after all connections without a task or a timer for any of them."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._settings = settings
        self._gone = [0, 0, 0, 0]
        self._reported_at = hub.clock()
        self.on_statistics: Callable[[HubStatistics], None] | None = None
        self.on_idle: Callable[[ConnectionStatistics], None] | None = None

    def of(self, connection: Connection) -> ConnectionStatistics:
        now = self._hub.clock()
        return ConnectionStatistics(
            id=connection.id,
            user=connection.session.user.name if connection.session else "",
            state=connection.state.value,
            messages_in=connection.messages_in,
            messages_out=connection.messages_out,
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            idle=now - connection.last_activity,
            age=now - connection.connected_since,
            round_trip=connection.round_trip,
        )

    def totals(self) -> HubStatistics:
        """All connections together, those gone included."""
        sums = list(self._gone)
        for connection in self._hub.connections.values():
            _add(sums, connection)
        return HubStatistics(len(self._hub.connections), *sums)

    def ended(self, connection: Connection) -> None:
        """Counts and logs a connection that ended, once."""
        _add(self._gone, connection)
        log.info("connection closed: %s", self.of(connection))

    def ponged(self, connection: Connection) -> None:
        """The peer answered a ping; that is no activity of its user."""
        if not connection.pinged_at:
            return
        now = self._hub.clock()
        sample = now - connection.pinged_at
        known = connection.round_trip
        connection.round_trip = sample if known is None else known + SMOOTHING * (sample - known)
        connection.pinged_at = 0.0
        connection.measured_at = now

    def sweep(self) -> None:
        """To be called about once a second."""
        now = self._hub.clock()
        for connection in list(self._hub.connections.values()):
            self._look_at(connection, now)
        if now - self._reported_at >= self._settings.statistics_interval:
            self._reported_at = now
            self._report()

    def _look_at(self, connection: Connection, now: float) -> None:
        settings = self._settings
        if connection.state is State.CLOSING:
            # The closing handshake has its time limit in the transport.
            return
        if connection.state is State.OPENING:
            if now - connection.connected_since > settings.hello_timeout:
                self._hub.close(connection, 4408, "nothing was said in time")
            return
        if self._is_token_over(connection):
            return
        if connection.pinged_at:
            if now - connection.pinged_at > settings.pong_timeout:
                log.info("connection %s answers no ping: dropped", connection.id)
                connection.state = State.CLOSING
                connection.transport.abort()
            return
        if self._is_ping_due(connection, now):
            self._ping(connection, now)
        if now - connection.last_activity > settings.idle_after:
            if not connection.idle_noticed:
                self._notice_idle(connection, now)
        else:
            connection.idle_noticed = False

    def _is_ping_due(self, connection: Connection, now: float) -> bool:
        if now - connection.measured_at >= self._settings.ping_interval:
            return True
        if connection.bytes_out == connection.bytes_at_ping:
            return False
        if not connection.written_since:
            connection.written_since = now
        after = self._settings.ping_after_write
        return now - connection.written_since >= after and now - connection.measured_at >= after

    def _ping(self, connection: Connection, now: float) -> None:
        connection.pinged_at = now
        connection.written_since = 0.0
        connection.bytes_at_ping = connection.bytes_out
        connection.transport.ping(b"hubbub")

    def _notice_idle(self, connection: Connection, now: float) -> None:
        connection.idle_noticed = True
        log.debug("connection %s is idle", connection.id)
        if self.on_idle is not None:
            self.on_idle(self.of(connection))
        if not connection.pinged_at:
            self._ping(connection, now)

    def _is_token_over(self, connection: Connection) -> bool:
        session = connection.session
        if session is None or session.user.expires_at is None:
            return False
        if self._hub.wall_ms() / 1000 <= session.user.expires_at + self._settings.token_grace:
            return False
        self._hub.outbox.send_error(connection, Denied("token_expired", "the token expired"))
        # What is queued goes out before the close frame.
        self._hub.outbox.write()
        self._hub.close(connection, 4401, "token expired")
        return True

    def _report(self) -> None:
        totals = self.totals()
        log.debug("%s", totals)
        if self.on_statistics is not None:
            try:
                self.on_statistics(totals)
            except Exception:
                log.exception("the statistics callback failed")


def _add(sums: list[int], connection: Connection) -> None:
    for place, count in enumerate(
        (connection.messages_in, connection.messages_out, connection.bytes_in, connection.bytes_out)
    ):
        sums[place] += count
