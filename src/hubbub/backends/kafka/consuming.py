"""What comes into the partitions that this node needs: a thread fetches it and hands it to the loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hubbub.backends.kafka.envelope import Arrival, open_message

log = logging.getLogger("hubbub.kafka")

_POLL = 0.05
"""Seconds after which the thread looks for something else to do; nothing else can wake it."""

_GATHER = 0.002
"""Seconds for which it waits for more when something has come: partitions bring it one by one, and a turn of the loop
costs more than a record."""

_BATCH = 500
_BATCHES_AHEAD = 4
"""Batches that may wait for the loop; then the thread waits, and librdkafka buffers, within its bound."""


class Batch(NamedTuple):
    """What came in one go. `settled` says of each partition up to which offset, counted from 1, all has come."""

    arrivals: Sequence[Arrival]
    settled: dict[int, int]
    broken: dict[int, KafkaError]
    """Partitions that bring nothing more."""
    turns: dict[int, int]
    """In which turn of following each partition this came: what is left of an earlier one does not count."""


def consumer_config(client: Mapping[str, Any]) -> dict[str, Any]:
    """No group: each node reads what it needs, and keeps where it is itself."""
    return {
        **client,
        "group.id": "hubbub",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # Whoever is asked for what is gone says so.
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        # The broker answers at once when something comes; until then no other partition can be asked for.
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        "queued.max.messages.kbytes": 16 * 1024,
    }


class ConsumerThread:
    """Follows partitions. `arrived` is called in the loop, batch after batch."""

    def __init__(self, client: Mapping[str, Any], topic: str, arrived: Callable[[Batch], None]) -> None:
        self._topic = topic
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._commands: SimpleQueue[Callable[[Consumer], None]] = SimpleQueue()
        self._ahead = threading.Semaphore(_BATCHES_AHEAD)
        self._numbers = count(1)
        self._turns: dict[int, int] = {}
        """Of each partition that is followed; the thread's own."""
        self._is_stopped = False
        self._client = client
        self._consumer = self._make()
        self._thread = threading.Thread(target=self._run, name="hubbub-kafka-consumer", daemon=True)
        self._thread.start()

    def follow(self, partition: int, settled: int) -> int:
        """From now on brings what comes after this offset, counted from 1. Returns the turn in which that is."""
        place = TopicPartition(self._topic, partition, settled)
        turn = next(self._numbers)

        def begin(consumer: Consumer) -> None:
            self._turns[partition] = turn
            consumer.incremental_assign([place])

        self._commands.put(begin)
        return turn

    def unfollow(self, partition: int) -> None:
        """What is on its way may still come, in the turn that it was of."""
        place = TopicPartition(self._topic, partition)

        def end(consumer: Consumer) -> None:
            if self._turns.pop(partition, None) is not None:
                consumer.incremental_unassign([place])

        self._commands.put(end)

    def stop(self) -> None:
        """Blocks."""
        self._is_stopped = True
        self._ahead.release()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self._obey(self._consumer)
                first = self._consumer.poll(_POLL)
                if first is not None:
                    self._hand_over(_sort([first, *self._consumer.consume(_BATCH, _GATHER)], dict(self._turns)))
            except Exception:
                log.exception("the consumer failed, and is replaced")
                self._renew()
        self._consumer.close()

    def _renew(self) -> None:
        """Whoever follows something is told to do so again."""
        time.sleep(_POLL)
        broken, self._consumer = self._consumer, self._make()
        with suppress(KafkaException, RuntimeError):
            broken.close()
        turns = dict(self._turns)
        self._turns.clear()
        self._hand_over(Batch([], {}, dict.fromkeys(turns, KafkaError(KafkaError._FAIL)), turns))

    def _make(self) -> Consumer:
        return Consumer({**consumer_config(self._client), "error_cb": _failed}, logger=log)

    def _obey(self, consumer: Consumer) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            try:
                command(consumer)
            except KafkaException as error:
                log.warning("the consumer: %s", error)

    def _hand_over(self, batch: Batch) -> None:
        self._ahead.acquire()
        try:
            self._loop.call_soon_threadsafe(self._deliver, batch)
        except RuntimeError:
            log.debug("the loop that followed Kafka is closed")

    def _deliver(self, batch: Batch) -> None:
        self._ahead.release()
        self._arrived(batch)


def _sort(messages: Sequence[Message], turns: dict[int, int]) -> Batch:
    batch = Batch([], {}, {}, turns)
    arrivals = []
    for message in messages:
        error = message.error()
        partition = message.partition()
        offset = message.offset()
        if error is None:
            arrival = open_message(message)
            if arrival is not None:
                arrivals.append(arrival)
            if partition is not None and offset is not None:
                batch.settled[partition] = offset + 1
        elif partition is None or partition < 0:
            log.debug("the consumer: %s", error.str())
        elif error.code() == KafkaError._PARTITION_EOF:
            if offset is not None and offset >= 0:
                batch.settled[partition] = offset
        else:
            batch.broken[partition] = error
    return batch._replace(arrivals=arrivals)


def _failed(error: KafkaError) -> None:
    log.debug("the consumer: %s", error.str())
