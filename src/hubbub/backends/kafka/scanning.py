"""What a log had before it was followed here: a thread reads its partition from there, one scan after the other."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from hubbub.backends.kafka.consuming import consumer_config
from hubbub.backends.kafka.envelope import Arrival, open_message
from hubbub.backends.kafka.topic import explain
from hubbub.errors import TryLater

log = logging.getLogger("hubbub.kafka")

LOOKBACK = 1000
"""Records before what is asked for that are read, too, to know a repeat when its first comes before."""

_TIMEOUT = 10.0
"""Seconds without a record after which a scan fails."""

_BATCH = 1000
_FIRST_WINDOW = 2000
_MOST_WAITING = 1000


class Scan(NamedTuple):
    """At most `limit` records of the log between the exclusive offsets, counted from 1, and one more if there is."""

    log: str
    partition: int
    after: int
    before: int
    limit: int
    newest: bool
    oldest: int
    """The first offset that may be read."""


class ScannerThread:
    """Reads stretches of partitions."""

    def __init__(self, client: Mapping[str, Any], topic: str) -> None:
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[tuple[Scan, asyncio.Future[Sequence[Arrival]]] | None] = SimpleQueue()
        # A question that waits for what does not come would hold up the next scan.
        self._consumer = Consumer({**consumer_config(client), "fetch.wait.max.ms": 5}, logger=log)
        self._thread = threading.Thread(target=self._run, name="hubbub-kafka-scanner", daemon=True)
        self._thread.start()

    async def scan(self, scan: Scan) -> Sequence[Arrival]:
        """What it finds, ascending, without repeats. Raises `OSError`; `TryLater` when too many scans wait."""
        if self._waiting.qsize() >= _MOST_WAITING:
            raise TryLater("unavailable", "too many read the past from Kafka")
        future: asyncio.Future[Sequence[Arrival]] = self._loop.create_future()
        self._waiting.put((scan, future))
        return await future

    def stop(self) -> None:
        """Blocks."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            scan, future = job
            try:
                if not future.cancelled():
                    found = self._scan(scan)
                    self._tell(future, found, None)
            except OSError as error:
                self._tell(future, (), error)
            except KafkaException as error:
                self._tell(future, (), explain(error.args[0]))
            except Exception as error:
                log.exception("a scan failed")
                self._tell(future, (), ConnectionError(str(error)))
        self._consumer.close()

    def _tell(self, future: asyncio.Future[Sequence[Arrival]], found: Sequence[Arrival], error: OSError | None) -> None:
        def settle() -> None:
            if future.done():
                return
            if error is None:
                future.set_result(found)
            else:
                future.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            log.debug("the loop that waited for a scan is closed")

    def _scan(self, scan: Scan) -> Sequence[Arrival]:
        if not scan.newest:
            return self._read(
                scan, max(scan.oldest - 1, scan.after - LOOKBACK), scan.after, scan.before, scan.limit + 1
            )
        # The newest are near the end, most often: from there backwards, in ever longer windows.
        found: list[Arrival] = []
        window = max(_FIRST_WINDOW, scan.limit * 4)
        before = scan.before
        start = max(scan.after, scan.oldest - 1)
        while before > start + 1 and len(found) <= scan.limit:
            after = max(start, before - 1 - window)
            lookback = max(scan.oldest - 1, after - LOOKBACK)
            found[:0] = self._read(scan, lookback, after, before, None)
            before = after + 1
            window *= 4
        return found[-scan.limit - 1 :]

    def _read(self, scan: Scan, start: int, after: int, before: int, most: int | None) -> list[Arrival]:
        """The log's records between `after` and `before`; those from `start` on count as the first of their repeats."""
        found: list[Arrival] = []
        if before - 1 <= max(start, after):
            return found
        seen: set[tuple[str, str]] = set()
        consumer = self._consumer
        consumer.assign([TopicPartition(self._topic, scan.partition, start)])
        try:
            for arrival in self._stretch(before):
                if arrival.log != scan.log or _is_repeat(arrival, seen):
                    continue
                if arrival.offset > after:
                    found.append(arrival)
                    if len(found) == most:
                        break
        finally:
            consumer.unassign()
        return found

    def _stretch(self, before: int) -> Iterator[Arrival]:
        """What the consumer brings up to the exclusive offset."""
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            first = self._consumer.poll(0.1)
            if first is None:
                continue
            deadline = time.monotonic() + _TIMEOUT
            for message in (first, *self._consumer.consume(_BATCH, 0)):
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        return
                    if message.partition() in (None, -1):
                        log.debug("a scan: %s", error.str())
                        continue
                    raise explain(error)
                offset = message.offset()
                if offset is None or offset + 1 >= before:
                    return
                arrival = open_message(message)
                if arrival is not None:
                    yield arrival
                if offset + 2 >= before:
                    return
        raise TimeoutError("Kafka does not bring what is asked for")


def _is_repeat(arrival: Arrival, seen: set[tuple[str, str]]) -> bool:
    if arrival.identity is None:
        return False
    if arrival.identity in seen:
        return True
    seen.add(arrival.identity)
    return False
