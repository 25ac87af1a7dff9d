"""All feeds of this hub: which logs somebody here reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubbub.hub.connection import Connection
from hubbub.hub.feed import Feed, Reader
from hubbub.hub.session import Session
from hubbub.protocol.channels import Channel
from hubbub.protocol.payloads import Position

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub


class Feeds:
    """A feed exists while somebody reads it here."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._feeds: dict[str, Feed] = {}

    def find(self, channel: Channel) -> Feed | None:
        """The feed with the channel's readers, if there are any."""
        feed = self._feeds.get(channel.log)
        if feed is None and channel.kind == "user":
            feed = self._inbox(channel, 0)
        return feed

    def for_delivery(self, channel: Channel, offset: int) -> Feed | None:
        """The feed that a record just committed at `offset` belongs to."""
        feed = self._feeds.get(channel.log)
        if feed is None and channel.kind == "user":
            feed = self._inbox(channel, offset - 1)
        return feed

    def open(self, log: str, then: Callable[[Feed | None], None]) -> None:
        """Gets the feed, made at the log's head if it is the first time here; None when the log can't be had."""
        feed = self._feeds.get(log)
        if feed is not None:
            then(feed)
            return

        def opened(head: Position | None) -> None:
            if head is None:
                then(None)
                return
            known = self._feeds.get(log)
            then(self._make(log, head) if known is None else known)

        self._hub.journal.head(log, opened)

    def enter(self, feed: Feed, session: Session, after: int | None = None) -> Reader:
        """The session's reader of this log, at the head or, when it is new, after the offset `after`."""
        reader = feed.readers.get(session)
        if reader is not None:
            return reader
        reader = feed.readers[session] = session.readers[feed.log] = Reader(session, feed)
        if feed.topics is not None:
            reader.patterns = {}
        if after is not None and after < feed.flushed:
            self._hub.catchup.follow(reader, after)
        elif session.connection.paused:
            feed.lag(reader, feed.flushed)
        else:
            feed.add(reader)
        return reader

    def leave(self, session: Session, log: str) -> None:
        """The session reads this log no more."""
        reader = session.readers.pop(log, None)
        if reader is None:
            return
        feed = reader.feed
        if not reader.lagging:
            feed.discard(reader)
        feed.readers.pop(session, None)
        self.release(feed)

    def release(self, feed: Feed) -> None:
        """Forgets the feed if nobody reads it."""
        if feed.is_unused:
            self._feeds.pop(feed.log, None)

    def meet(self, session: Session) -> None:
        """A session begins: where its user's inbox is open already, it reads it too."""
        feed = self._feeds.get(f"user:{session.user.name}")
        if feed is not None:
            self.enter(feed, session)

    def move(self, connection: Connection, *, lagging: bool) -> None:
        """The connection's socket is full, or it drains again."""
        session = connection.session
        if session is None:
            return
        for reader in session.readers.values():
            if lagging:
                if not reader.lagging:
                    reader.feed.lag(reader, reader.feed.flushed)
            elif reader.lagging:
                self._hub.catchup.follow(reader, reader.offset)

    def _make(self, log: str, head: Position) -> Feed:
        feed = self._feeds[log] = Feed(log, head.epoch, head.offset, self._hub.groups.resolve)
        if log.startswith("user:"):
            for session in self._hub.groups.sessions_of(log.removeprefix("user:")):
                self.enter(feed, session)
        return feed

    def _inbox(self, channel: Channel, flushed: int) -> Feed | None:
        # Most users never get a message of their own, so that an inbox is opened by the first one.
        if not self._hub.groups.sessions_of(channel.id):
            return None
        return self._make(channel.log, Position("", flushed))
