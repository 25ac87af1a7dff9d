"""A log's local audience: who reads it here, and where each of them is.

Live readers share the feed's position and cost nothing on a publish. Only a laggard, one whose socket does not
drain or who asked for the past, has an offset of its own and is read from the log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from hubbub.delivery.acks import WINDOW, AckWindow
from hubbub.hub.audience import Audience
from hubbub.protocol.channels import Channel, topic_matches
from hubbub.protocol.messages import Message
from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.connection import Connection
    from hubbub.hub.journal import Stretch
    from hubbub.hub.session import Session

Targets = Mapping[Profile, Collection["Connection"]]
Listener = Callable[[Message], None]
Resolve = Callable[[Audience], Iterable["Session"]]

_MAX_ROUTES = 4096


class Delivery(Protocol):
    """A committed record on its way out."""

    offset: int
    channel: Channel
    audience: Audience | None
    body: bytes

    @property
    def message(self) -> Message: ...


class Reader:
    """A session's position in one log. `offset` is its own only while it is `lagging`."""

    __slots__ = (
        "acked",
        "feed",
        "fetching",
        "holds",
        "in_hand",
        "lagging",
        "offset",
        "patterns",
        "session",
        "told",
        "window",
    )

    def __init__(self, session: Session, feed: Feed, offset: int) -> None:
        self.session = session
        self.feed = feed
        self.offset = offset
        self.acked = 0
        """What the client said it has processed, 0 for nothing yet."""
        self.told = offset
        """The position that the client knows of at least."""
        self.lagging = False
        self.fetching = False
        self.holds = 0
        """How many answers have to go out before it is read for again."""
        self.in_hand: Stretch | None = None
        """What comes after `offset`, where that was read already."""
        self.patterns: dict[str, int] | None = None
        """Topic channels and patterns this session wants of the log, each with its subscriptions' number."""
        self.window: AckWindow | None = None
        """Where deliveries are to be acknowledged: which of them are not yet."""

    @property
    def connection(self) -> Connection:
        """The session's connection: readers in a feed have one."""
        connection = self.session.connection
        assert connection is not None
        return connection

    @property
    def sent(self) -> int:
        """The offset up to which the session was sent what it wants."""
        return self.offset if self.lagging else self.feed.flushed

    def has_had_since(self, offset: int) -> bool:
        """Whether anything after the offset was for this session, as far as that is known."""
        latest = self.feed.latest
        if self.patterns is None:
            return latest.get(self.feed.log, 0) > offset
        return any(where > offset and self.wants(channel, None) for channel, where in latest.items())

    def wants(self, channel: str, audience: Audience | None) -> bool:
        """Whether a record of the log is for this session."""
        if self.patterns is not None:
            return channel in self.patterns or any(topic_matches(pattern, channel) for pattern in self.patterns)
        return audience is None or audience.includes(self.session)


class Feed:
    """One log here: its readers, and what was committed in this turn. `flushed` is the live position."""

    __slots__ = (
        "_resolve",
        "_routes",
        "_wild",
        "awaited",
        "epoch",
        "floor",
        "flushed",
        "fresh",
        "is_filtered",
        "latest",
        "listeners",
        "live",
        "log",
        "pins",
        "readers",
        "recent",
        "topics",
    )

    def __init__(self, log: str, epoch: str, head: int, resolve: Resolve) -> None:
        self.log = log
        self._resolve = resolve
        self.epoch = epoch
        self.flushed = head
        self.fresh: list[Delivery] = []
        self.readers: dict[Session, Reader] = {}
        self.live: dict[Profile, set[Connection]] = {}
        self.topics: dict[str, dict[Profile, set[Connection]]] | None = {} if log.startswith("topic:") else None
        self.is_filtered = self.topics is not None or log == "all"
        """Whether a record may be for some of its readers only."""
        self._wild: set[str] = set()
        self._routes: dict[str, Targets] = {}
        self.listeners: dict[int, tuple[str, Listener]] | None = None
        self.awaited: dict[Reader, None] | None = None
        """Live readers whose deliveries are to be acknowledged, in the order they came."""
        self.floor = head
        """Up to `floor + WINDOW` all of those may have everything."""
        self.recent: deque[tuple[int, float, str, Audience | None]] = deque()
        """The last records, as far as somebody's unacknowledged ones may be counted among them, and when they went."""
        self.latest: dict[str, int] = {}
        """Where the last record of a channel stands, in logs that are filtered."""
        self.pins = 0
        """How many are about to read it."""

    @property
    def is_unused(self) -> bool:
        return not (self.readers or self.listeners or self.fresh or self.pins)

    def note_latest(self, deliveries: Sequence[Delivery]) -> None:
        """Remembers, within bounds, where the last record of each channel stands."""
        if len(self.latest) > _MAX_ROUTES:
            self.latest.clear()
        for item in deliveries:
            if item.audience is None:
                self.latest[item.channel.text] = item.offset

    def add(self, reader: Reader) -> None:
        """The reader goes live: from now on it gets what is committed."""
        reader.lagging = False
        if reader.window is not None:
            if self.awaited is None:
                self.awaited = {}
            self.awaited[reader] = None
            reader.window.counted = self.flushed
            self.floor = min(self.floor, reader.window.floor)
        connection = reader.connection
        if self.topics is None:
            _add(self.live, connection)
            return
        for pattern in reader.patterns or ():
            self.add_topic(pattern, connection)

    def discard(self, reader: Reader) -> None:
        """The reader is live no more; its position is where the feed is."""
        if self.awaited is not None:
            self.awaited.pop(reader, None)
        connection = reader.connection
        if self.topics is None:
            _discard(self.live, connection)
            return
        for pattern in reader.patterns or ():
            self.discard_topic(pattern, connection)

    def add_topic(self, pattern: str, connection: Connection) -> None:
        """A live reader wants this channel or pattern, too."""
        assert self.topics is not None
        _add(self.topics.setdefault(pattern, {}), connection)
        if "*" in pattern:
            self._wild.add(pattern)
        self._routes.clear()

    def discard_topic(self, pattern: str, connection: Connection) -> None:
        assert self.topics is not None
        targets = self.topics.get(pattern)
        if targets is not None:
            _discard(targets, connection)
            if not targets:
                del self.topics[pattern]
                self._wild.discard(pattern)
        self._routes.clear()

    def lag(self, reader: Reader, offset: int) -> None:
        """From now on the reader is read from the log, after `offset`."""
        if not reader.lagging:
            self.count(reader, offset)
            self.discard(reader)
        reader.lagging = True
        if reader.offset != offset:
            reader.in_hand = None
            reader.offset = offset

    def note_recent(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Remembers the turn's records, and of earlier ones as many as a window holds."""
        recent = self.recent
        while len(recent) > WINDOW:
            recent.popleft()
        recent.extend((item.offset, now, item.channel.text, item.audience) for item in deliveries)

    def count(self, reader: Reader, offset: int | None = None) -> int:
        """How many deliveries up to the offset (where it is, by default) the reader has not acknowledged.

        To be called before what it wants changes: what it was sent is found by that.
        """
        window = reader.window
        if window is None:
            return 0
        top = self.flushed if offset is None else offset
        if not reader.lagging and window.counted < top:
            sent = []
            for where, at, channel, audience in reversed(self.recent):
                if where <= window.counted:
                    break
                if where <= top and reader.wants(channel, audience):
                    sent.append((where, at))
            window.pending.extend(reversed(sent))
            window.counted = top
        return len(window.pending)

    def targets(self, channel: str) -> Targets:
        """Who reads this channel of the log live."""
        return self.live if self.topics is None else self._route(channel)

    def runs(self, fresh: Sequence[Delivery]) -> list[tuple[Targets, Sequence[Delivery]]]:
        """The turn's deliveries in order, those with the same targets together."""
        if len(fresh) == 1:
            return [(self._targets(fresh[0]), fresh)]
        runs = []
        start = 0
        for end in range(1, len(fresh) + 1):
            if end < len(fresh) and self._same_targets(fresh[start], fresh[end]):
                continue
            runs.append((self._targets(fresh[start]), fresh[start:end]))
            start = end
        return runs

    def _same_targets(self, one: Delivery, other: Delivery) -> bool:
        if self.topics is not None:
            return one.channel.text == other.channel.text
        return one.audience == other.audience

    def _targets(self, delivery: Delivery) -> Targets:
        if self.topics is not None:
            return self._route(delivery.channel.text)
        if delivery.audience is None:
            return self.live
        chosen: dict[Profile, list[Connection]] = {}
        # Each session once, however many of its groups match.
        for session in self._resolve(delivery.audience):
            reader = self.readers.get(session)
            if reader is not None and not reader.lagging:
                chosen.setdefault(reader.connection.profile, []).append(reader.connection)
        return chosen

    def _route(self, channel: str) -> Targets:
        known = self._routes.get(channel)
        if known is not None:
            return known
        assert self.topics is not None
        matching = [self.topics[pattern] for pattern in self._wild if topic_matches(pattern, channel)]
        if channel in self.topics:
            matching.append(self.topics[channel])
        route: Targets = matching[0] if len(matching) == 1 else _union(matching)
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
        self._routes[channel] = route
        return route


def _union(parts: list[dict[Profile, set[Connection]]]) -> Targets:
    merged: dict[Profile, set[Connection]] = {}
    for part in parts:
        for profile, connections in part.items():
            merged.setdefault(profile, set()).update(connections)
    return merged


def _add(targets: dict[Profile, set[Connection]], connection: Connection) -> None:
    connections = targets.get(connection.profile)
    if connections is None:
        targets[connection.profile] = {connection}
    else:
        connections.add(connection)


def _discard(targets: dict[Profile, set[Connection]], connection: Connection) -> None:
    connections = targets.get(connection.profile)
    if connections is not None:
        connections.discard(connection)
        if not connections:
            del targets[connection.profile]
