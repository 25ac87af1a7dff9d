"""How a session gets into a log: at its head or from a position, and answered when that is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.hub.feed import Feed, Reader
from hubbub.hub.locating import Located, agrees, locate
from hubbub.hub.session import Rest, Session
from hubbub.hub.sessions import is_attached
from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_NOWHERE = Position("", 0)


Entered = Callable[[Reader | None, Position, bool], None]
"""Gets the reader, where its delivery goes on, and whether that is all; no reader when the log cannot be had."""


class Entrance:
    """Opens logs for sessions. What comes of it is told by a call, at once or later."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def enter(self, session: Session, log: str, wanted: Position | None, entered: Entered, *, ack: bool) -> None:
        """Opens the log for the session, from the position it names if it does not read it yet."""
        connection = session.connection

        def opened(feed: Feed | None) -> None:
            if connection is None or not is_attached(session, connection):
                return
            if feed is None:
                entered(None, _NOWHERE, False)
            elif wanted is None or session in feed.readers:
                reader = self._hub.feeds.enter(feed, session, ack=ack)
                entered(reader, Position(feed.epoch, reader.sent), True)
            else:
                feed.pins += 1
                locate(self._hub.journal, log, wanted, lambda place: located(feed, place))

        def located(feed: Feed, place: Located | None) -> None:
            feed.pins -= 1
            if connection is None or not is_attached(session, connection):
                self._hub.feeds.release(feed)
            elif place is None or not agrees(self._hub.journal, feed, place):
                self._hub.feeds.release(feed)
                entered(None, _NOWHERE, False)
            elif session in feed.readers:
                # Another subscription was there first: the position is the session's own.
                reader = self._hub.feeds.enter(feed, session, ack=ack)
                entered(reader, Position(feed.epoch, reader.sent), True)
            else:
                self._hub.counts.gaps += not place.recovered
                reader = self._hub.feeds.enter(feed, session, place, ack=ack)
                entered(reader, Position(place.epoch, place.offset), place.recovered)

        self._hub.feeds.open(log, opened)

    def enter_later(self, session: Session, log: str) -> None:
        """A session that is away is to read the log from where it is now."""

        def known(head: Position | None) -> None:
            if session.rests is not None:
                session.rests.setdefault(log, Rest(head, None, False))
                self._hub.vault.touch(session)

        self._hub.journal.head(log, known)

    def keep(self, session: Session, reader: Reader, position: Position, answer: Callable[[Position], None]) -> None:
        """Answers with the position when the change is kept. What is read from there on comes behind the answer."""
        hub, connection, epoch = self._hub, session.connection, reader.feed.epoch
        if not hub.vault.is_durable:
            answer(position)
            return

        def kept() -> None:
            if connection is not None and is_attached(session, connection):
                # A log that was begun anew meanwhile has told so: what it was before is of no use.
                is_same = reader.feed.epoch == epoch
                answer(position if is_same else Position(reader.feed.epoch, reader.sent))
            hub.feeds.let_go(reader)

        hub.feeds.hold(reader)
        hub.vault.keep(session, kept)
