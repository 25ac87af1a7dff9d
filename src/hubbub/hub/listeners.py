"""Whoever in this process wants every message of a channel, as it is delivered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hubbub.hub.feed import Delivery, Feed, Listener
from hubbub.protocol.channels import Channel, parse_channel, topic_matches

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")


class _Listening:
    """One listener. It has no feed while its log is being opened, or cannot be had."""

    __slots__ = ("begun", "channel", "feed", "is_opening", "is_stopped", "listener")

    def __init__(self, channel: Channel, listener: Listener, begun: Callable[[], None]) -> None:
        self.channel = channel
        self.listener = listener
        self.begun = begun
        self.feed: Feed | None = None
        self.is_opening = False
        self.is_stopped = False


class Listeners:
    """They keep their feeds open. Where a log cannot be had it is asked for again with every sweep."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._next = 1
        self._without: dict[int, _Listening] = {}

    def listen(self, channel: str, listener: Listener, begun: Callable[[], None]) -> Callable[[], None]:
        """As `Hub.listen`."""
        listening = _Listening(parse_channel(channel), listener, begun)
        id = self._next
        self._next += 1
        self._without[id] = listening
        self._open(id, listening)

        def stop() -> None:
            listening.is_stopped = True
            self._without.pop(id, None)
            feed, listening.feed = listening.feed, None
            if feed is not None and feed.listeners is not None:
                feed.listeners.pop(id, None)
                self._hub.feeds.release(feed)

        return stop

    def sweep(self) -> None:
        """Tries again to open what could not be opened."""
        for id, listening in list(self._without.items()):
            if not listening.is_opening:
                self._open(id, listening)

    def tell(self, listeners: Mapping[int, tuple[str, Listener]], deliveries: Sequence[Delivery]) -> None:
        """Calls them back. One that raises is logged, and harms nobody."""
        for item in deliveries:
            channel = item.channel.text
            for pattern, listener in list(listeners.values()):
                if pattern != channel and not topic_matches(pattern, channel):
                    continue
                try:
                    item.message.offset = item.offset
                    listener(item.message)
                except Exception:
                    log.exception("a listener of %s failed", pattern)

    def _open(self, id: int, listening: _Listening) -> None:
        def opened(feed: Feed | None) -> None:
            listening.is_opening = False
            # It may have been stopped before the answer came.
            if feed is None or listening.is_stopped:
                return
            del self._without[id]
            listening.feed = feed
            if feed.listeners is None:
                feed.listeners = {}
            feed.listeners[id] = (listening.channel.text, listening.listener)
            listening.begun()

        listening.is_opening = True
        self._hub.feeds.open(listening.channel.log, opened)
