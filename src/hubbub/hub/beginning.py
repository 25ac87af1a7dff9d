"""A session begins: it reads `all` and its user's inbox from where they are, and is told where that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubbub.errors import ProtocolError
from hubbub.hub.connection import Connection, State
from hubbub.hub.feed import Feed, Reader
from hubbub.hub.session import Session
from hubbub.hub.sessions import is_attached
from hubbub.protocol.messages import WelcomeMessage
from hubbub.protocol.payloads import Position, Welcome

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


def make_welcome(hub: Hub, session: Session, connection: Connection, id: str) -> WelcomeMessage:
    """The session's id, and what the peer has to know of the hub; not yet its positions."""
    settings = hub.settings
    return WelcomeMessage(
        session_id=id,
        connection_id=connection.id,
        version=str(session.version),
        payload=Welcome(
            user=session.user.name,
            node=settings.node_name,
            heartbeat_ms=int(settings.ping_interval * 1000),
            limits={"message_bytes": settings.max_message, "subscriptions": settings.max_subscriptions},
            positions={},
        ),
    )


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
        self._hub.roster.connected(self._session, self._admitted)

    def _admitted(self, error: ProtocolError | None) -> None:
        if error is None:
            self._hub.feeds.open("all", self._opened)
            return
        session, connection = self._session, self._connection
        if is_attached(session, connection):
            if self._welcome.message_id is not UNSET:
                error.message_id = self._welcome.message_id
            self._hub.outbox.send_error(connection, error)
            self._hub.close(connection, 4429 if error.code == "rate_limited" else 1013, error.reason)
            # Nobody knows its id: it cannot come back.
            connection.session = session.connection = None
            self._hub.sessions.end(session)
        self._then()

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
        hub, session, feed = self._hub, self._session, self._all
        feed.pins -= 1
        if head is None:
            hub.feeds.release(feed)
            self._give_up()
            return
        if not self._is_awaited():
            hub.feeds.release(feed)
            self._then()
            return
        session.inbox = head
        hub.feeds.enter(feed, session)
        if inbox is not None:
            hub.feeds.enter(inbox, session)
        else:
            hub.feeds.meet(session)
        if hub.vault.is_durable:
            # Whoever knows the id must find the session again, whatever happens to this process.
            for reader in self._readers():
                hub.feeds.hold(reader)
            hub.vault.keep(session, self._kept)
        else:
            self._answer(head)
            self._then()

    def _kept(self) -> None:
        head = self._session.inbox
        if self._is_awaited() and head is not None:
            self._answer(head)
            for reader in self._readers():
                self._hub.feeds.let_go(reader)
        self._then()

    def _answer(self, head: Position) -> None:
        hub, session, connection = self._hub, self._session, self._connection
        connection.state = State.OPEN
        positions = {session.inbox_log: head}
        for reader in self._readers():
            positions[reader.feed.log] = Position(reader.feed.epoch or head.epoch, reader.sent)
        self._welcome.payload.positions = positions
        hub.outbox.send(connection, self._welcome)
        hub.membership.tell_rooms(session)

    def _readers(self) -> list[Reader]:
        """Those that a session begins with. There may be none for the inbox yet."""
        readers = self._session.readers
        return [readers[log] for log in ("all", self._session.inbox_log) if log in readers]

    def _is_awaited(self) -> bool:
        return is_attached(self._session, self._connection) and self._connection.state is State.OPENING

    def _give_up(self) -> None:
        """A log cannot be had now: the client comes back when it can."""
        if is_attached(self._session, self._connection):
            self._hub.close(self._connection, 1013, "the log is unavailable")
        self._then()
