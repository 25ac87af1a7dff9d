"""All feeds of this hub: which logs somebody here reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.hub.connection import Connection
from hubbub.hub.feed import Feed, Reader
from hubbub.hub.locating import Located
from hubbub.hub.session import Rest, Session
from hubbub.protocol.channels import Channel
from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

Opened = Callable[[Feed | None], None]


class _Opening:
    """A feed that waits for its log's head, and what was committed meanwhile."""

    __slots__ = ("top", "waiting")

    def __init__(self, first: Opened) -> None:
        self.waiting = [first]
        self.top = 0


class Feeds:
    """A feed exists while somebody reads it here."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._feeds: dict[str, Feed] = {}
        self._opening: dict[str, _Opening] = {}

    def find(self, log: str) -> Feed | None:
        """The feed of this log, if it has readers."""
        return self._feeds.get(log)

    def for_delivery(self, channel: Channel, offset: int) -> Feed | None:
        """The feed that a record just committed at `offset` belongs to."""
        feed = self._feeds.get(channel.log)
        if feed is not None:
            return feed
        opening = self._opening.get(channel.log) if self._opening else None
        if opening is not None:
            opening.top = offset
        elif channel.kind == "user":
            feed = self._inbox(channel, offset - 1)
        return feed

    def open(self, log: str, then: Opened) -> None:
        """Gets the feed, made at the log's head if it is the first time here; None when the log can't be had.

        It stays while `then` runs; whoever needs it longer pins it.
        """
        feed = self._feeds.get(log)
        if feed is not None:
            then(feed)
            return
        opening = self._opening.get(log)
        if opening is not None:
            opening.waiting.append(then)
            return
        self._opening[log] = _Opening(then)
        self._hub.journal.follow(log, lambda head: self._opened(log, head))

    def enter(
        self, feed: Feed, session: Session, place: Located | None = None, *, ack: bool = False, rest: Rest | None = None
    ) -> Reader:
        """The session's reader of this log, at the head or, when it is new, at the place that was located.

        With `ack` its deliveries are to be acknowledged from now on. A session that comes back has a `rest`.
        """
        reader = feed.readers.get(session)
        if reader is not None:
            if ack and reader.window is None:
                self._await(reader)
            return reader
        # What another node, or a turn that is not over, has given the session already may be ahead of this feed.
        start = feed.flushed if place is None else place.offset
        reader = feed.readers[session] = session.readers[feed.log] = Reader(session, feed, start)
        if feed.topics is not None:
            reader.patterns = {} if rest is None or rest.patterns is None else rest.patterns
        if ack:
            self._hub.awaiting.begin(reader, start)
        if start != feed.flushed:
            if start > feed.flushed:
                self._hub.journal.doubt(feed, feed.epoch, 1)
            if place is not None:
                reader.in_hand = place.page
            self._hub.catchup.follow(reader, start)
        elif reader.connection.is_pushed:
            feed.add(reader)
        else:
            feed.lag(reader, start)
        return reader

    def hold(self, reader: Reader) -> None:
        """The reader stays where it is until `let_go`: what it reads comes behind an answer that waits."""
        reader.holds += 1
        if not reader.lagging:
            reader.feed.lag(reader, reader.feed.flushed)

    def let_go(self, reader: Reader) -> None:
        """The answer is out. Harmless for a reader that is none any more."""
        reader.holds -= 1
        if reader.session.readers.get(reader.feed.log) is reader and not reader.holds:
            self._go_on(reader)

    def leave(self, session: Session, log: str) -> None:
        """The session reads this log no more."""
        reader = session.readers.pop(log, None)
        if reader is not None:
            self._drop(reader)
        if session.rests is not None:
            session.rests.pop(log, None)

    def rest(self, session: Session) -> None:
        """The session's connection ended: where it stopped is kept, and it reads nothing for now."""
        rests: dict[str, Rest] = {}
        for log, reader in session.readers.items():
            rests[log] = rest_of(reader)
            self._drop(reader)
        session.readers = {}
        session.rests = rests

    def release(self, feed: Feed) -> None:
        """Forgets the feed if nobody reads it."""
        if feed.is_unused and self._feeds.get(feed.log) is feed:
            del self._feeds[feed.log]
            self._hub.journal.unfollow(feed.log)

    def meet(self, session: Session) -> None:
        """A session begins: where its user's inbox is open already, it reads it too."""
        feed = self._feeds.get(session.inbox_log)
        if feed is not None:
            self.enter(feed, session)

    def move(self, connection: Connection) -> None:
        """Whether the connection is pushed to has changed: its readers lag, or may catch up."""
        session = connection.session
        if session is None or session.connection is not connection:
            return
        for reader in list(session.readers.values()):
            if not connection.is_pushed:
                if not reader.lagging:
                    reader.feed.lag(reader, reader.feed.flushed)
            elif reader.lagging and not reader.holds:
                self._hub.catchup.follow(reader, reader.offset)

    def _go_on(self, reader: Reader) -> None:
        """A reader that lags goes live, or catches up."""
        if reader.offset != reader.feed.flushed:
            self._hub.catchup.go_on(reader)
        elif reader.connection.is_pushed:
            reader.feed.add(reader)

    def _await(self, reader: Reader) -> None:
        """What this reader gets is to be acknowledged from now on."""
        feed = reader.feed
        self._hub.awaiting.begin(reader, reader.sent)
        if not reader.lagging:
            feed.discard(reader)
            feed.add(reader)

    def _drop(self, reader: Reader) -> None:
        feed = reader.feed
        if not reader.lagging:
            feed.discard(reader)
        feed.readers.pop(reader.session, None)
        self._hub.awaiting.forget(reader)
        self.release(feed)

    def _opened(self, log: str, head: Position | None) -> None:
        opening = self._opening.pop(log)
        if head is None:
            for then in opening.waiting:
                then(None)
            return
        # What was committed after the head was asked for went to nobody: who begins now begins after it.
        feed = self._feeds.get(log) or self._make(log, Position(head.epoch, max(head.offset, opening.top)))
        feed.pins += 1
        for then in opening.waiting:
            then(feed)
        feed.pins -= 1
        self.release(feed)

    def _make(self, log: str, head: Position) -> Feed:
        feed = self._feeds[log] = Feed(log, head.epoch, head.offset, self._hub.groups.resolve)
        if log.startswith("user:"):
            for session in self._hub.groups.sessions_of(log.removeprefix("user:")):
                if session.is_reading:
                    reader = self.enter(feed, session)
                    if not session.is_present:
                        # Its welcome waits, and so do the other readers.
                        self.hold(reader)
        return feed

    def _inbox(self, channel: Channel, flushed: int) -> Feed | None:
        # Most users never get a message of their own, so that an inbox is opened by the first one.
        if not any(session.is_reading for session in self._hub.groups.sessions_of(channel.id)):
            return None
        return self._make(channel.log, Position("", flushed))


def rest_of(reader: Reader) -> Rest:
    """Where the reader is: the last acknowledged position, else the last sent."""
    offset = reader.acked or reader.sent
    if reader.window is not None:
        offset = reader.window.acked
    # Without an epoch nothing was committed yet, and it is where it began.
    position = Position(reader.feed.epoch, offset) if reader.feed.epoch else None
    return Rest(position, reader.patterns, reader.window is not None)
