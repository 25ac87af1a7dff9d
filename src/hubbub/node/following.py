"""Follows the shared logs that somebody reads here, and hands the hub every record once, in the log's order."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from itertools import islice
from typing import Any

from hubbub.hub.hub import Hub
from hubbub.hub.publishing import Publication
from hubbub.node.mailing import MailedPeers
from hubbub.ports import Page, SharedLog
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.following")

Then = Callable[[Position | None], None]

LINGER = 10.0
"""Seconds that a log is still followed after its last reader left: most come back, over a reload or a lost link."""

SILENCE = 5.0
"""Seconds without a record after which it is looked whether there is one: no subscription is trusted to be whole."""

_LOOKED_AT = 64
"""Silent logs that are looked at in a second."""

_STRETCH = 128
_MOST_HELD = 1024
_AT_ONCE = 32
"""Logs that are read to be healed at one time."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Seconds between two attempts to read while the log is away."""


class _State(Enum):
    OPENING = "opening"
    """It is to be followed, and its head is not known yet."""
    LIVE = "live"
    """What arrives is handed on."""
    READING = "reading"
    """It is read from where its feed is; what arrives is held meanwhile."""


class _Tail:
    """One log that is followed. Everything up to `at` was handed on."""

    __slots__ = ("again", "at", "epoch", "heard", "held", "left", "log", "own", "state", "waiting")

    def __init__(self, log: str, now: float) -> None:
        self.log = log
        self.state = _State.OPENING
        self.epoch = ""
        self.at = 0
        self.held: list[tuple[str, int, bytes]] = []
        """What arrived while it was not live: epoch, offset, record."""
        self.own: dict[tuple[str, int], Publication] = {}
        """What was published here and is not next yet: it need not be decoded when it is."""
        self.again = False
        """Whether something was missed while it was being read."""
        self.waiting: list[Then] = []
        self.heard = now
        self.left: float | None = None
        """When its last reader left."""


class Following:
    """Implements `Sink`. All of it belongs to one loop; `start` runs a coroutine beside everything else."""

    def __init__(
        self,
        hub: Hub,
        shared: SharedLog,
        start: Callable[[Coroutine[Any, Any, None]], None],
        mailed: MailedPeers | None = None,
    ) -> None:
        """`mailed` is what the readers of a log are told beside it, opened and left with it."""
        self._hub = hub
        self._mailed = mailed
        self._log = shared
        self._start = start
        self._tails: OrderedDict[str, _Tail] = OrderedDict()
        self.is_away = False
        """Whether a log could not be read when that was tried last."""
        self._under_way: dict[bytes, Publication] = {}
        """What is being appended here: the follower may be faster than the answer."""
        self._turns = asyncio.Semaphore(_AT_ONCE)

    def __len__(self) -> int:
        """How many logs are followed."""
        return len(self._tails)

    # --- What the journal asks for ---------------------------------------------------------------------

    def follow(self, name: str, then: Then) -> None:
        """`then` gets the position after which everything comes, None when the log cannot be had."""
        tail = self._tails.get(name)
        if tail is None:
            tail = self._tails[name] = _Tail(name, self._hub.clock())
            tail.waiting.append(then)
            opening = None if self._mailed is None else self._mailed.open(name)
            self._start(self._open(tail, opening))
            return
        tail.left = None
        if tail.state is _State.LIVE:
            then(Position(tail.epoch, tail.at))
        else:
            tail.waiting.append(then)

    def unfollow(self, name: str) -> None:
        """Nobody reads it here any more; it is let go of a little later."""
        tail = self._tails.get(name)
        if tail is not None:
            tail.left = self._hub.clock()

    def appending(self, batch: Sequence[Publication]) -> None:
        """These are on their way into the log, until `appended`."""
        for publication in batch:
            self._under_way[publication.record] = publication

    def appended(self, batch: Sequence[Publication]) -> None:
        """What became of them was told."""
        for publication in batch:
            self._under_way.pop(publication.record, None)

    def committed(self, publication: Publication, epoch: str, offset: int) -> None:
        """What was published here stands there now. It is handed on at once where it is certain to be next."""
        tail = self._tails.get(publication.channel.log)
        if tail is None:
            return
        if tail.state is _State.LIVE and epoch == tail.epoch:
            if offset <= tail.at:
                return
            if self._log.dense and offset == tail.at + 1:
                tail.at = offset
                self._hub.publishing.arrived(tail.log, ((offset, publication),))
                return
        if len(tail.own) >= _MOST_HELD:
            tail.own.clear()
        tail.own[epoch, offset] = publication

    def look(self, name: str) -> None:
        """There may be more than has come, or another log."""
        tail = self._tails.get(name)
        if tail is not None:
            self._read(tail)

    def sweep(self) -> None:
        """To be called about once a second: lets go of what nobody reads, and looks after what is silent."""
        now = self._hub.clock()
        for tail in [tail for tail in self._tails.values() if tail.left is not None and now - tail.left >= LINGER]:
            if self._hub.feeds.find(tail.log) is None and tail.state is not _State.OPENING:
                self._forget(tail)
                self._log.unfollow(tail.log, self)
        for tail in list(islice(self._tails.values(), _LOOKED_AT)):
            self._tails.move_to_end(tail.log)
            if tail.state is _State.LIVE and now - tail.heard >= SILENCE:
                tail.heard = now
                self._read(tail)

    # --- What the log tells ----------------------------------------------------------------------------

    def arrived(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        tail = self._tails.get(log)
        if tail is None:
            return
        tail.heard = self._hub.clock()
        if tail.state is not _State.LIVE:
            self._hold(tail, epoch, entries)
        else:
            self._take(tail, epoch, entries)

    def interrupted(self, log: str) -> None:
        self.look(log)

    # --- One tail --------------------------------------------------------------------------------------

    async def _open(self, tail: _Tail, opening: asyncio.Task[None] | None) -> None:
        try:
            head = await self._log.follow(tail.log, self)
            if opening is not None:
                # Whoever asks who is there hears of everyone who comes later.
                await opening
        except Exception as error:
            log.warning("%s cannot be followed: %s", tail.log, error)
            self._forget(tail)
            waiting, tail.waiting = tail.waiting, []
            for then in waiting:
                then(None)
            return
        tail.epoch, tail.at = head.epoch, head.offset
        if tail.again:
            self._go_live(tail)
            self._read(tail)
        else:
            self._go_live(tail)

    def _forget(self, tail: _Tail) -> None:
        del self._tails[tail.log]
        if self._mailed is not None:
            self._mailed.leave(tail.log)

    def _take(self, tail: _Tail, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        """Hands on what is new, as long as nothing is missing before it."""
        if epoch != tail.epoch:
            # Late, or the first of a log begun anew: the log itself says which.
            self._read(tail)
            return
        fresh: list[tuple[int, bytes | Publication]] = []
        for offset, record in entries:
            if offset <= tail.at:
                continue
            if self._log.dense and offset > tail.at + 1:
                self._read(tail)
                break
            tail.at = offset
            fresh.append((offset, self._own(tail, offset, record) or self._foreign(record)))
        if fresh:
            self._hub.publishing.arrived(tail.log, fresh)

    def _hold(self, tail: _Tail, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        if len(tail.held) + len(entries) > _MOST_HELD or (tail.state is _State.READING and epoch != tail.epoch):
            # Too much to be kept, or of another log: it is read.
            tail.held.clear()
            tail.again = True
        else:
            tail.held += [(epoch, offset, record) for offset, record in entries]

    def _read(self, tail: _Tail) -> None:
        if tail.state is not _State.LIVE:
            tail.again = True
            return
        tail.state = _State.READING
        self._start(self._heal(tail))

    async def _heal(self, tail: _Tail) -> None:
        """Reads on from where the feed is until nothing is missing, however long that takes."""
        pause = _FIRST_PAUSE
        async with self._turns:
            while self._tails.get(tail.log) is tail:
                tail.again = False
                try:
                    page = await self._log.read(tail.log, after=tail.at, limit=_STRETCH)  # type: ignore[misc]
                except Exception as error:
                    if not self.is_away:
                        log.warning("logs cannot be read, and are tried again until they can: %s", error)
                    self.is_away = True
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                self.is_away = False
                if self._apply(tail, page) and not tail.again:
                    self._go_live(tail)
                    return

    def _apply(self, tail: _Tail, page: Page) -> bool:
        """Hands on what was read. Returns whether that was all there is."""
        feed = self._hub.feeds.find(tail.log)
        if page.epoch != tail.epoch:
            if feed is not None:
                # Also where nothing has come yet: something may have been on its way.
                self._hub.fanout.begin_anew(feed, page.epoch, page.oldest)
            tail.epoch, tail.at = page.epoch, page.oldest - 1
            tail.own.clear()
            # It was asked for what comes after an offset of the other log.
            return page.head <= tail.at
        if page.oldest > tail.at + 1:
            if feed is not None:
                self._hub.fanout.skip(feed, page.oldest - 1)
            tail.at = page.oldest - 1
        fresh: list[tuple[int, bytes | Publication]] = []
        for offset, record in page.entries:
            if offset > tail.at:
                tail.at = offset
                fresh.append((offset, self._own(tail, offset, record) or self._foreign(record)))
        if fresh:
            self._hub.publishing.arrived(tail.log, fresh)
        if page.complete:
            tail.at = max(tail.at, page.head)
            if feed is not None:
                self._hub.fanout.advance(feed, tail.at)
        return page.complete

    def _go_live(self, tail: _Tail) -> None:
        tail.state = _State.LIVE
        tail.heard = self._hub.clock()
        tail.own = {place: publication for place, publication in tail.own.items() if place[1] > tail.at}
        waiting, tail.waiting = tail.waiting, []
        for then in waiting:
            then(Position(tail.epoch, tail.at))
        feed = self._hub.feeds.find(tail.log)
        if feed is not None:
            self._hub.catchup.go_on_all(feed)
        held, tail.held = tail.held, []
        for place, (epoch, offset, record) in enumerate(held):
            if tail.state is not _State.LIVE:
                tail.held = held[place:]
                return
            if epoch == tail.epoch:
                self._take(tail, epoch, ((offset, record),))

    def _own(self, tail: _Tail, offset: int, record: bytes) -> Publication | None:
        found = tail.own.pop((tail.epoch, offset), None) if tail.own else None
        return found or (self._under_way.get(record) if self._under_way else None)

    def _foreign(self, record: bytes) -> bytes:
        self._hub.watch.traffic.received(len(record))
        return record
