"""Where partitions begin and end right now: asked of the brokers, all that are wanted at a time in one question."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from hubbub.backends.kafka.topic import NotYet, answer

log = logging.getLogger("hubbub.kafka")

_RETRY = 0.1


class Mark(NamedTuple):
    """Offsets counted from 1: everything up to `lost` is gone, everything up to `end` was given out."""

    lost: int
    end: int


class Marks:
    """One question at a time is under way; whoever comes meanwhile is answered by the next one."""

    def __init__(self, admin: AdminClient, topic: str, timeout: float) -> None:
        """`timeout` is in seconds, for each question."""
        self._admin = admin
        self._topic = topic
        self._timeout = timeout
        self._wanted: set[int] = set()
        self._next: asyncio.Task[dict[int, Mark]] | None = None
        self._current: asyncio.Task[dict[int, Mark]] | None = None
        self.is_away = False
        """Whether the last question had no answer."""

    async def ask(self, partition: int) -> Mark:
        """The partition's marks, not older than the question. Raises `OSError` when no answer comes."""
        self._wanted.add(partition)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._ask_next(self._current))
            self._next.add_done_callback(_note)
        # One who waits no more is not to end it for the others.
        return (await asyncio.shield(self._next))[partition]

    async def _ask_next(self, before: asyncio.Task[dict[int, Mark]] | None) -> dict[int, Mark]:
        if before is not None:
            await asyncio.wait([before])
        self._current, self._next = self._next, None
        wanted, self._wanted = self._wanted, set()
        try:
            marks = await self._ask_patiently(wanted)
        except OSError:
            self.is_away = True
            raise
        self.is_away = False
        return marks

    async def _ask_patiently(self, partitions: set[int]) -> dict[int, Mark]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        while True:
            try:
                return await self._ask(partitions)
            except NotYet as error:
                if loop.time() > deadline:
                    raise
                log.debug("asked again: %s", error)
            await asyncio.sleep(_RETRY)

    async def _ask(self, partitions: Iterable[int]) -> dict[int, Mark]:
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        begun, ended = (
            self._admin.list_offsets(dict.fromkeys(places, spec), request_timeout=self._timeout)
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
        )
        found = {}
        for place in places:
            lost, end = await answer(begun[place]), await answer(ended[place])
            found[place.partition] = Mark(lost.offset, end.offset)
        return found


def _note(task: asyncio.Task[dict[int, Mark]]) -> None:
    """It may be that nobody waits any more for a question that failed."""
    if not task.cancelled():
        task.exception()
