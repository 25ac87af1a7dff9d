"""A session comes back: every log it reads is opened at its position, it is told where that is, then reads on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from hubbub.hub.connection import Connection, State
from hubbub.hub.feed import Feed
from hubbub.hub.locating import Located, agrees, locate
from hubbub.hub.session import Rest, Session
from hubbub.hub.sessions import is_attached
from hubbub.protocol.messages import SessionRestoredMessage, UnsubscribedMessage
from hubbub.protocol.payloads import Position, Restored, SessionRestored

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


class _Found(Struct):
    """A log that is open, and where the session goes on in it."""

    feed: Feed
    rest: Rest
    place: Located


class Restoration:
    """One session's return over one connection. It ends without a word when that connection ends, or is replaced."""

    def __init__(
        self,
        hub: Hub,
        session: Session,
        connection: Connection,
        *,
        id: str,
        positions: Mapping[str, Position],
        message_id: str | None,
        then: Callable[[], None],
    ) -> None:
        """`positions` are the client's own, by log; `then` is called when it is over, however."""
        self._hub = hub
        self._session = session
        self._connection = connection
        self._id = id
        self._positions = positions
        self._message_id = message_id
        self._then = then
        self._found: dict[str, _Found] = {}
        self._left = 0
        self._is_over = False

    def run(self) -> None:
        logs = self._session.logs()
        self._left = len(logs)
        for log in logs:
            self._hub.feeds.open(log, partial(self._opened, log))

    def _opened(self, log: str, feed: Feed | None) -> None:
        if feed is None:
            self._give_up()
            return
        rest = (self._session.rests or {}).get(log) or Rest(None, None, False)
        position = self._positions.get(log) or rest.position
        if position is None and log == self._session.inbox_log:
            position = self._session.inbox
        if position is None:
            position = Position(feed.epoch, feed.flushed)
        feed.pins += 1
        locate(self._hub.journal, log, position, partial(self._located, log, feed, rest))

    def _located(self, log: str, feed: Feed, rest: Rest, place: Located | None) -> None:
        if place is None or not agrees(self._hub.journal, feed, place):
            feed.pins -= 1
            self._hub.feeds.release(feed)
            self._give_up()
            return
        self._hub.counts.gaps += not place.recovered
        self._found[log] = _Found(feed, rest, place)
        self._left -= 1
        if self._left == 0:
            self._finish()

    def _finish(self) -> None:
        session, connection = self._session, self._connection
        # All logs were located, but it may be for nobody.
        if not self._is_over and is_attached(session, connection) and connection.state is State.OPENING:
            connection.state = State.OPEN
            # What it left while its logs were being opened it does not read any more.
            wanted = session.logs()
            session.rests = None
            self._answer(wanted)
            for log in wanted & self._found.keys():
                self._enter(self._found[log])
            for room in list(session.rooms.values()):
                self._hub.membership.come_back(room, session)
            self._hub.sessions.returned(session)
            self._hub.attendance.tell_members(connection)
            self._hub.kinds.returned(session, self._positions)
            self._hub.vault.touch(session)
        self._release()

    def _enter(self, found: _Found) -> None:
        rest = found.rest
        self._hub.feeds.enter(found.feed, self._session, found.place, ack=rest.ack, rest=rest)

    def _answer(self, logs: set[str]) -> None:
        session, connection = self._session, self._connection
        send = self._hub.outbox.send
        # Before the answer, which says by what it leaves out that the session is not in these any more.
        for channel in session.lost or ():
            send(connection, UnsubscribedMessage(channel=channel))
        session.lost = None
        message = SessionRestoredMessage(
            session_id=self._id,
            connection_id=connection.id,
            version=str(connection.profile.version),
            payload=SessionRestored(
                channels={log: _told(found.place) for log, found in self._found.items() if log in logs}
            ),
        )
        if self._message_id is not None:
            message.message_id = self._message_id
        send(connection, message)

    def _give_up(self) -> None:
        """A log cannot be had now: the client comes back when it can."""
        if not self._is_over:
            self._is_over = True
            if is_attached(self._session, self._connection):
                self._hub.close(self._connection, 1013, "the log is unavailable")
                self._hub.vault.give_back(self._session)
        self._left -= 1
        if self._left == 0:
            self._release()

    def _release(self) -> None:
        for found in self._found.values():
            found.feed.pins -= 1
            self._hub.feeds.release(found.feed)
        self._found.clear()
        self._then()


def _told(place: Located) -> Restored:
    return Restored(place.recovered, place.epoch, place.offset)
