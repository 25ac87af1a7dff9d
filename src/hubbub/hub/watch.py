"""Connections watched: counters, idleness, pings and time limits. One sweep a second for all of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

from msgspec import Struct, field

from hubbub.config import Settings
from hubbub.errors import Denied
from hubbub.hub.connection import Connection, State
from hubbub.protocol.messages import PositionMessage
from hubbub.protocol.payloads import Position, Positions

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.connections")

SMOOTHING = 0.25
"""The weight of a new round trip in the average."""

LINK_INTERVAL = 5.0
"""Seconds between two looks at the quality of links."""

POSITION_INTERVAL = 25
"""Seconds after which a reader hears where a log's head is, although nothing in it was for it."""


def quality_of(round_trip: float | None) -> str:
    """`good`, `slow` or `bad`, by the smoothed round trip in seconds; a link nobody has measured yet is good."""
    if round_trip is None or round_trip < 0.1:
        return "good"
    return "slow" if round_trip < 0.5 else "bad"


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
    link: str


class Traffic(Struct):
    """What went between this node and others: records of shared logs, and messages beside the logs.

    A record counts as going out when it is appended, and as coming in when another node appended it.
    """

    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def sent(self, size: int) -> None:
        self.messages_out += 1
        self.bytes_out += size

    def received(self, size: int) -> None:
        self.messages_in += 1
        self.bytes_in += size


class HubStatistics(Struct, frozen=True):
    """The hub's figures; the counters include connections that are gone. `traffic` is with other nodes."""

    connections: int
    messages_in: int
    messages_out: int
    bytes_in: int
    bytes_out: int
    traffic: Traffic = field(default_factory=Traffic)


class Watch:
    """Looks after all connections without a task or a timer for any of them."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self._hub = hub
        self._settings = settings
        self._gone = [0, 0, 0, 0]
        self._reported_at = self._judged_at = hub.clock()
        self._part = 0
        self.traffic = Traffic()
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
            link=quality_of(connection.round_trip),
        )

    def totals(self) -> HubStatistics:
        """All connections together, those gone included."""
        sums = list(self._gone)
        for connection in self._hub.connections.values():
            _add(sums, connection)
        messages_in, messages_out, bytes_in, bytes_out = sums
        count, traffic = len(self._hub.connections), copy(self.traffic)
        return HubStatistics(count, messages_in, messages_out, bytes_in, bytes_out, traffic)

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
        if connection.throttled:
            self._pump(connection)

    def probe(self, connection: Connection) -> None:
        """Sends a ping whose answer says that the peer has got what was sent before."""
        if not connection.pinged_at:
            self._ping(connection, self._hub.clock())

    def sweep(self, now: float) -> None:
        """To be called about once a second."""
        connections = list(self._hub.connections.values())
        for connection in connections:
            self._look_at(connection, now)
        if now - self._judged_at >= LINK_INTERVAL:
            self._judged_at = now
            for connection in connections:
                self._judge_link(connection)
        # A part of them each second, so that not all are written to in one turn.
        self._part = (self._part + 1) % POSITION_INTERVAL
        for connection in connections[self._part :: POSITION_INTERVAL]:
            self._tell_positions(connection)
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
        elif connection.throttled:
            self._pump(connection)
        if now - connection.last_activity > settings.idle_after:
            if not connection.idle_noticed:
                self._notice_idle(connection, now)
        else:
            connection.idle_noticed = False

    def _judge_link(self, connection: Connection) -> None:
        """A bad link is read for at its own pace: a stretch of each log in a round trip."""
        if connection.state is not State.OPEN:
            return
        is_bad = quality_of(connection.round_trip) == "bad"
        self._hub.throttle(connection, is_bad)

    def _pump(self, connection: Connection) -> None:
        session = connection.session
        if session is None or connection.transport.buffered():
            return
        for reader in session.readers.values():
            if reader.lagging and reader.offset < reader.feed.flushed:
                self._hub.catchup.go_on(reader)

    def _tell_positions(self, connection: Connection) -> None:
        """Where the heads of filtered logs are, when the filters let nothing through for long."""
        session = connection.session
        if session is None or connection.state is not State.OPEN:
            return
        heads: dict[str, Position] = {}
        for log_name, reader in session.readers.items():
            sent = reader.sent
            if sent <= reader.told or (reader.patterns is None and log_name != "all"):
                continue
            if not reader.has_had_since(reader.told):
                heads[log_name] = Position(reader.feed.epoch, sent)
            reader.told = sent
        if heads:
            self._hub.outbox.send(connection, PositionMessage(payload=Positions(positions=heads)))

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
