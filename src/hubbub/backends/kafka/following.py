"""The partitions that this node needs, and who is told of what comes into them."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubbub.backends.kafka.consuming import Batch, ConsumerThread
from hubbub.backends.kafka.marks import Mark, Marks
from hubbub.backends.kafka.partition import Followed, Partition
from hubbub.backends.kafka.repeats import Repeats
from hubbub.backends.kafka.tail import Tail
from hubbub.backends.kafka.topic import Topic, explain
from hubbub.delivery.retention import RetentionPolicy
from hubbub.delivery.ring import Entry
from hubbub.ports import Sink
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.kafka")

WARM_UP = 80_000
"""Records at the end of a topic that are read when it is opened: a repeat is known if its first is among them."""

LEAST_WARM_UP = 5000
"""Of them in each partition, however many partitions there are."""

SILENT_AFTER = 4.0
"""Seconds in which something has to come of a partition that has more; then it is opened anew."""

IDLE_AFTER = 60.0
"""Seconds after which a partition that nobody needs is not followed any more."""

_PATIENCE = 10.0
_RETRY = 0.25


class Following:
    """Follows partitions as they are needed; logs that are followed have a tail in memory."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topic: Topic,
        marks: Marks,
        repeats: Repeats,
        suspect: Callable[[], None],
        *,
        retention: RetentionPolicy,
        memory: int,
        clock: Callable[[], float],
    ) -> None:
        """`suspect` is called when it seems that the topic was made anew."""
        self._topic = topic
        self._marks = marks
        self._repeats = repeats
        self._suspect = suspect
        self._retention = retention
        self._memory = memory
        self._clock = clock
        self._partitions: dict[int, Partition] = {}
        self._ends: dict[int, int] = {}
        """The highest offset that is known of each partition."""
        self._looks: dict[int, tuple[float, int]] = {}
        """Since when each partition has come no further, though it goes on, and how far it has come."""
        self._tails: OrderedDict[str, Tail] = OrderedDict()
        """The one that was silent longest comes first."""
        self._used = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._consumer = ConsumerThread(client, topic.name, self._arrived)

    def find(self, number: int) -> Partition | None:
        """The partition, if all that comes into it comes here."""
        partition = self._partitions.get(number)
        return partition if partition is not None and partition.opened.done() else None

    async def need(self, number: int) -> Partition:
        """The partition, followed for as long as it is used. Raises `OSError` when Kafka is away."""
        partition = self._partitions.get(number)
        if partition is None:
            partition = self._partitions[number] = Partition(number, self._clock())
            self._start(partition)
        await asyncio.shield(partition.opened)
        partition.used = self._clock()
        return partition

    def end_of(self, number: int) -> int:
        """The highest offset that is known of a partition, whether it is followed or not."""
        return self._ends.get(number, 0)

    def note_end(self, number: int, offset: int) -> None:
        """The partition has come at least so far."""
        self._ends[number] = max(offset, self._ends.get(number, 0))

    def keep(self, partition: Partition) -> None:
        """Somebody still needs it."""
        partition.used = self._clock()

    async def follow(self, name: str, sink: Sink) -> Position:
        """See `SharedLog.follow`. The head is the partition's: no record of the log is behind it."""
        number = self._topic.partition_of(name)
        partition = await self.need(number)
        mark = await self._marks.ask(number)
        await partition.reach(mark.end)
        followed = partition.followed.get(name)
        if followed is None:
            tail = self._tails[name] = Tail(self._retention.of(name), partition.settled)
            followed = partition.followed[name] = Followed(tail)
        if sink not in followed.sinks:
            followed.sinks.append(sink)
        return Position(self._topic.epoch, partition.settled)

    def unfollow(self, name: str, sink: Sink) -> None:
        partition = self._partitions.get(self._topic.partition_of(name))
        followed = None if partition is None else partition.followed.get(name)
        if partition is None or followed is None or sink not in followed.sinks:
            return
        followed.sinks.remove(sink)
        if not followed.sinks:
            del partition.followed[name]
            self._used -= self._tails.pop(name).cost
            partition.used = self._clock()

    def tail(self, name: str) -> tuple[Partition, Tail] | None:
        """The tail of a log that is followed, and its partition."""
        partition = self.find(self._topic.partition_of(name))
        followed = None if partition is None else partition.followed.get(name)
        return None if partition is None or followed is None else (partition, followed.tail)

    def extend(self, name: str, since: int, until: int, entries: Sequence[Entry]) -> None:
        """What a scan found between two offsets of a log that is followed is kept: nobody need scan for it again."""
        tail = self._tails.get(name)
        if tail is not None and until >= tail.since:
            self._grow(tail, tail.extend(since, entries))

    def is_followed(self, name: str, sink: Sink) -> bool:
        partition = self._partitions.get(self._topic.partition_of(name))
        followed = None if partition is None else partition.followed.get(name)
        return followed is not None and sink in followed.sinks

    async def look(self) -> None:
        """To be called every few seconds: lets go of what nobody needs, follows anew what is silent without reason."""
        for partition in list(self._partitions.values()):
            if not partition.followed and self._clock() >= partition.used + IDLE_AFTER:
                self._drop(partition, ConnectionError("nobody needed the partition"))
        for number, partition in list(self._partitions.items()):
            if partition.opened.done():
                mark = await self._marks.ask(number)
                if self._partitions.get(number) is partition and self._is_silent(partition, mark):
                    log.warning("nothing comes of partition %d of %s; it is followed anew", number, self._topic.name)
                    self._reopen(partition, ConnectionError("the partition was silent"))

    def _is_silent(self, partition: Partition, mark: Mark) -> bool:
        since, settled = self._looks.get(partition.number, (0.0, -1))
        if partition.settled >= mark.end:
            self._looks.pop(partition.number, None)
        elif settled != partition.settled:
            self._looks[partition.number] = self._clock(), partition.settled
        else:
            return self._clock() >= since + SILENT_AFTER
        return False

    async def close(self) -> None:
        self._closed = True
        for partition in list(self._partitions.values()):
            self._drop(partition, ConnectionError("the log is closed"))
        for task in self._tasks:
            task.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.get_running_loop().run_in_executor(None, self._consumer.stop)

    # --- What comes -------------------------------------------------------------------------------------

    def _arrived(self, batch: Batch) -> None:
        groups: dict[str, list[Entry]] = {}
        for arrival in batch.arrivals:
            partition = self._current(arrival.partition, batch)
            if partition is None:
                continue
            if arrival.identity is not None and not self._repeats.note(arrival.identity, arrival.log, arrival.offset):
                continue
            followed = partition.followed.get(arrival.log)
            if followed is None or arrival.offset <= followed.tail.last:
                continue
            self._grow(followed.tail, followed.tail.append(arrival.offset, arrival.record))
            self._tails.move_to_end(arrival.log)
            groups.setdefault(arrival.log, []).append((arrival.offset, arrival.record))
        for name, entries in groups.items():
            self._tell(name, entries)
        for number, settled in batch.settled.items():
            partition = self._current(number, batch)
            if partition is not None:
                self.note_end(number, settled)
                partition.advance(settled)
        for number, error in batch.broken.items():
            partition = self._current(number, batch)
            if partition is not None:
                self._suspect()
                log.warning("partition %d of %s: %s", number, self._topic.name, error.str())
                self._reopen(partition, explain(error))

    def _current(self, number: int, batch: Batch) -> Partition | None:
        """The partition, if the batch is of the turn in which it is followed now."""
        partition = self._partitions.get(number)
        return partition if partition is not None and partition.turn == batch.turns.get(number) else None

    def _tell(self, name: str, entries: Sequence[Entry]) -> None:
        partition = self._partitions[self._topic.partition_of(name)]
        for sink in tuple(partition.followed[name].sinks):
            try:
                sink.arrived(name, self._topic.epoch, entries)
            except Exception:
                log.exception("what came into %s could not be taken", name)

    def _grow(self, tail: Tail, grown: int) -> None:
        self._used += grown
        if self._used <= self._memory:
            return
        for name, other in list(self._tails.items()):
            if self._used <= self._memory:
                return
            if other is not tail:
                self._used -= other.clear(other.last)
                self._tails.move_to_end(name)

    # --- Opening ----------------------------------------------------------------------------------------

    def _start(self, partition: Partition) -> None:
        task = asyncio.get_running_loop().create_task(self._open(partition))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, partition: Partition) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                mark = await self._marks.ask(partition.number)
                if partition.error is not None:
                    return
                partition.turn = self._consumer.follow(partition.number, self._place(partition, mark))
                await partition.reach(mark.end)
        except OSError as error:
            if partition.error is None and partition.followed:
                await asyncio.sleep(_RETRY)
            if partition.error is None:
                self._reopen(partition, error)
        else:
            if partition.error is None:
                partition.opened.set_result(None)

    def _place(self, partition: Partition, mark: Mark) -> int:
        """Where to begin: where it stopped, if what came after that is still there, else near the end."""
        self.note_end(partition.number, mark.end)
        if partition.settled and mark.lost <= partition.settled <= mark.end:
            return partition.settled
        partition.settled = max(mark.lost, mark.end - max(WARM_UP // self._topic.partitions, LEAST_WARM_UP))
        for name, followed in partition.followed.items():
            self._used -= followed.tail.clear(partition.settled)
            for sink in tuple(followed.sinks):
                sink.interrupted(name)
        return partition.settled

    def _reopen(self, partition: Partition, error: OSError) -> None:
        """Whoever waits for it is told; whoever follows logs in it goes on following."""
        self._drop(partition, error)
        if partition.followed and not self._closed:
            again = self._partitions[partition.number] = Partition(partition.number, partition.used)
            again.settled = partition.settled
            again.followed = partition.followed
            self._start(again)

    def _drop(self, partition: Partition, error: OSError) -> None:
        self._partitions.pop(partition.number, None)
        self._looks.pop(partition.number, None)
        partition.give_up(error)
        self._consumer.unfollow(partition.number)
