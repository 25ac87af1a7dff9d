"""From committed records to those who read them live: a turn's deliveries, encoded once and written to many."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from hubbub.hub.connection import Connection
from hubbub.hub.feed import Delivery, Feed
from hubbub.protocol.messages import GapMessage, Message, PositionMessage
from hubbub.protocol.payloads import Gap, Position, Positions
from hubbub.protocol.wire import Profile

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

log = logging.getLogger("hubbub.hub")


class FanOut:
    """`fresh` are the feeds to which something was committed since the last turn."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.fresh: list[Feed] = []

    def flush(self) -> None:
        """Delivers what was committed."""
        fresh, self.fresh = self.fresh, []
        for feed in fresh:
            self._flush_one(feed)

    def skip(self, feed: Feed, last: int) -> None:
        """What comes next up to `last` is in the log no more: each reader is told of it as it gets there."""
        self._flush_one(feed)
        for reader in list(feed.readers.values()):
            if not reader.lagging:
                self._hub.catchup.follow(reader, feed.flushed)
        feed.flushed = last

    def advance(self, feed: Feed, offset: int) -> None:
        """All up to the offset was handed on, also where nothing stands there: offsets may have holes."""
        if offset > feed.flushed:
            self._flush_one(feed)
            feed.flushed = max(feed.flushed, offset)

    def begin_anew(self, feed: Feed, epoch: str, offset: int) -> None:
        """A log was lost while it was read here, and goes on in another epoch with the record at `offset`."""
        self._flush_one(feed)
        feed.epoch = epoch
        feed.flushed = offset - 1
        feed.floor = offset - 1
        feed.latest.clear()
        feed.recent.clear()
        gap = GapMessage(channel=feed.log, payload=Gap(epoch=epoch, start=1, to=offset - 1, reason="epoch"))
        self._hub.counts.gaps += len(feed.readers)
        for reader in list(feed.readers.values()):
            if reader.window is not None:
                self._hub.awaiting.begin(reader, offset - 1)
            reader.acked = 0
            reader.offset = reader.told = offset - 1
            # One that has not got its welcome yet is told there where it begins.
            if reader.session.is_present:
                self._hub.outbox.send(reader.connection, gap)
        self._hub.catchup.go_on_all(feed)

    def rename(self, feed: Feed, epoch: str) -> None:
        """A log that nothing was ever in has another epoch: its readers are to come back with that one."""
        feed.epoch = epoch
        message = PositionMessage(payload=Positions(positions={feed.log: Position(epoch, 0)}))
        for reader in feed.readers.values():
            if reader.session.is_present:
                self._hub.outbox.send(reader.connection, message)
        self._hub.catchup.go_on_all(feed)

    def name(self, feed: Feed, epoch: str) -> None:
        """An inbox that nothing had come to has its first record: its epoch may be another than the welcome said."""
        feed.epoch = epoch
        for reader in list(feed.readers.values()):
            known = reader.session.inbox
            if known is None or known.epoch == epoch or not reader.session.is_present:
                continue
            message: Message = PositionMessage(payload=Positions(positions={feed.log: Position(epoch, feed.flushed)}))
            if known.offset:
                gap = Gap(epoch=epoch, start=1, to=feed.flushed, reason="epoch")
                message = GapMessage(channel=feed.log, payload=gap)
            self._hub.outbox.send(reader.connection, message)

    def encode(self, profile: Profile, run: Sequence[Delivery]) -> bytes | None:
        """The frames of these deliveries; None when one of them has no form for this profile."""
        wire = self._hub.wire
        try:
            # For most the bytes will do: what another node published is then never decoded here.
            is_plain = profile.codec == "json" and profile.is_newest
            frames = [
                wire.delivery_frame(profile, item.body, item.offset, None if is_plain else item.message) for item in run
            ]
        except Exception:
            log.exception("a delivery cannot be encoded for %s", profile)
            return None
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _flush_one(self, feed: Feed) -> None:
        hub = self._hub
        deliveries, feed.fresh = feed.fresh, []
        if not deliveries:
            return
        before, feed.flushed = feed.flushed, deliveries[-1].offset
        if feed.is_filtered:
            feed.note_latest(deliveries)
        if feed.awaited:
            hub.awaiting.hold_back(feed, deliveries, before)
            feed.note_recent(deliveries, hub.clock())
        for targets, run in feed.runs(deliveries):
            is_last = len(run) == len(deliveries)
            # A copy: a socket that fills up leaves the audience while it is written to.
            for profile, connections in list(targets.items()):
                data = self.encode(profile, run)
                if data is None:
                    self._give_up(connections)
                else:
                    hub.counts.deliveries += len(connections) * len(run)
                    hub.outbox.push_all(connections, data, len(run), is_last=is_last)
        if feed.listeners:
            hub.listeners.tell(feed.listeners, deliveries)
        if not feed.readers:
            hub.feeds.release(feed)

    def _give_up(self, connections: Collection[Connection]) -> None:
        """What these would miss they are not to miss in silence."""
        for connection in list(connections):
            self._hub.close(connection, 1011, "the server failed")
