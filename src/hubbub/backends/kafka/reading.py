"""Reads of a log: from its tail in memory as far as that goes, and from Kafka."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from hubbub.backends.kafka.envelope import Arrival
from hubbub.backends.kafka.following import Following
from hubbub.backends.kafka.marks import Mark, Marks
from hubbub.backends.kafka.repeats import Repeats
from hubbub.backends.kafka.scanning import Scan, ScannerThread
from hubbub.backends.kafka.topic import Topic
from hubbub.delivery.ring import Entry
from hubbub.ports import Page

log = logging.getLogger("hubbub.kafka")

REACH = 100_000
"""Records of a partition that can be read back from its end; what is before counts as no longer kept."""


class Reader:
    """Answers `SharedLog.read`. While Kafka is away, what is in memory can be read."""

    def __init__(
        self,
        topic: Topic,
        following: Following,
        marks: Marks,
        repeats: Repeats,
        scanner: ScannerThread,
        *,
        reach: int = REACH,
    ) -> None:
        self._topic = topic
        self._following = following
        self._marks = marks
        self._repeats = repeats
        self._scanner = scanner
        self._reach = reach

    async def read(self, name: str, after: int, before: int | None, limit: int, newest: bool) -> Page:
        """A page that has everything that was in the log when it was asked for."""
        number = self._topic.partition_of(name)
        page = self._remembered(name, None, after, before, limit, newest)
        if page is not None and (self._marks.is_away or _is_settled(page, before, newest)):
            return page
        try:
            mark = await self._marks.ask(number)
        except OSError:
            page = self._remembered(name, None, after, before, limit, newest)
            if page is None:
                raise
            return page
        followed = self._following.tail(name)
        if followed is not None:
            await followed[0].reach(mark.end)
        return self._remembered(name, mark, after, before, limit, newest) or await self._scan(
            name, mark, after, before, limit, newest
        )

    def _remembered(
        self, name: str, mark: Mark | None, after: int, before: int | None, limit: int, newest: bool
    ) -> Page | None:
        """The page, if the tail of the log has everything that belongs into it."""
        followed = self._following.tail(name)
        if followed is None:
            return None
        partition, tail = followed
        oldest = tail.since + 1
        start = after
        if mark is not None:
            oldest = min(self._oldest(mark), oldest)
            # What is asked for begins where the log does, at most.
            start = max(after, oldest - 1)
        entries, complete = tail.read(after, before, limit, newest)
        if start < tail.since and (complete or not newest):
            return None
        return Page(self._topic.epoch, entries, oldest, partition.settled, complete)

    async def _scan(self, name: str, mark: Mark, after: int, before: int | None, limit: int, newest: bool) -> Page:
        oldest = self._oldest(mark)
        start, stop = max(after, oldest - 1), mark.end + 1 if before is None else min(before, mark.end + 1)
        number = self._topic.partition_of(name)
        while True:
            found = await self._scanner.scan(Scan(name, number, start, stop, limit, newest, oldest))
            complete = len(found) <= limit
            taken = found if complete else found[1:] if newest else found[:-1]
            entries = self._firsts(taken)
            if entries or complete or not limit:
                break
            # All of them were repeats.
            start, stop = (start, taken[0].offset) if newest else (taken[-1].offset, stop)
        if complete or newest:
            self._following.extend(name, start if complete else found[0].offset - 1, stop - 1, self._firsts(found))
        return Page(self._topic.epoch, entries, oldest, mark.end, complete)

    def _firsts(self, arrivals: Sequence[Arrival]) -> list[Entry]:
        return [
            (arrival.offset, arrival.record)
            for arrival in arrivals
            if arrival.identity is None or not self._repeats.is_repeat(arrival.identity, arrival.log, arrival.offset)
        ]

    def _oldest(self, mark: Mark) -> int:
        """The first offset that can be read."""
        return max(mark.lost, mark.end - self._reach) + 1


def _is_settled(page: Page, before: int | None, newest: bool) -> bool:
    """Whether nothing that has come since could change it."""
    return (before is not None and before <= page.head + 1) or not (newest or page.complete)
