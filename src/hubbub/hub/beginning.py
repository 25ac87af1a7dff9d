"""A session begins: it reads `all` and its user's inbox from where they are, and is told where that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.hub.connection import Connection, State
from hubbub.hub.feed import Feed
from hubbub.hub.session import Session
from hubbub.hub.sessions import is_attached
from hubbub.protocol.messages import WelcomeMessage
from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


class Beginning:
    """One session's welcome. Nothing is delivered before it."""

    def __init__(
        self,
        hub: Hub,
        session: Session,
        connection: Connection,
        welcome: WelcomeMessage,
        then: Callable[[], None],
    ) -> None:
        """`welcome` lacks its positions; `then` is called when it is over, however."""
        self._hub = hub
        self._session = session
        self._connection = connection
        self._welcome = welcome
        self._then = then
        self._all: Feed
        self._is_answered = False

    def run(self) -> None:
        self._hub.feeds.open("all", self._opened)

    def _opened(self, feed: Feed | None) -> None:
        if feed is None:
            self._give_up()
            return
        self._all = feed
        feed.pins += 1
        hub, inbox = self._hub, self._session.inbox_log
        # Most users never get a message of their own: where only this node writes one, and the head is known at
        # once, no feed is needed yet.
        if not hub.journal.is_shared:
            hub.journal.head(inbox, self._greet)
        if not self._is_answered:
            # What is committed before the answer comes must not fall between.
            self._is_answered = True
            hub.feeds.open(inbox, self._entered)

    def _entered(self, feed: Feed | None) -> None:
        self._finish(None if feed is None else Position(feed.epoch, feed.flushed), feed)

    def _greet(self, head: Position | None) -> None:
        if not self._is_answered:
            self._is_answered = True
            self._finish(head, None)

    def _finish(self, head: Position | None, inbox: Feed | None) -> None:
        hub, session, connection, feed = self._hub, self._session, self._connection, self._all
        feed.pins -= 1
        if head is None:
            hub.feeds.release(feed)
            self._give_up()
            return
        if is_attached(session, connection) and connection.state is State.OPENING:
            connection.state = State.OPEN
            session.inbox = head
            positions = {"all": Position(feed.epoch, feed.flushed), session.inbox_log: head}
            self._welcome.payload.positions = positions
            hub.outbox.send(connection, self._welcome)
            hub.feeds.enter(feed, session)
            if inbox is not None:
                hub.feeds.enter(inbox, session)
            else:
                hub.feeds.meet(session)
            hub.vault.touch(session)
        hub.feeds.release(feed)
        self._then()

    def _give_up(self) -> None:
        """A log cannot be had now: the client comes back when it can."""
        if is_attached(self._session, self._connection):
            self._hub.close(self._connection, 1013, "the log is unavailable")
        self._then()
