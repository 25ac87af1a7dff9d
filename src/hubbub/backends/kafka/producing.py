"""Appends on their way: librdkafka sends them, and a thread waits for what becomes of them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hubbub.backends.kafka.address import LINGER
from hubbub.backends.kafka.envelope import make_headers
from hubbub.ports import Append

log = logging.getLogger("hubbub.kafka")

DELIVERY_TIMEOUT = 5.0
"""Seconds after which an append that was not confirmed has failed, though it may be in the log."""

_POLL = 0.1
_GATHER = 0.002
"""Seconds for which it waits for the others when one has landed: they are answered together."""


class Flight:
    """One record on its way. `offset` counts from 1, and is 0 until it has arrived."""

    __slots__ = ("_landed", "error", "floor", "item", "offset", "partition")

    def __init__(self, item: Append, partition: int, floor: int, landed: Callable[[Flight], None]) -> None:
        self.item = item
        self.partition = partition
        self.floor = floor
        """The highest offset that was known in the partition: it must come behind."""
        self.offset = 0
        self.error: KafkaError | None = None
        self._landed = landed

    def land(self, error: KafkaError | None, message: Message) -> None:
        """Called in the producer's thread."""
        offset = message.offset()
        if error is None and offset is not None:
            self.offset = offset + 1
        else:
            self.error = error
        self._landed(self)


class ProducerThread:
    """Sends what it is given, in order for each partition. `settle` is called in the loop with what has landed."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topic: str,
        settle: Callable[[Sequence[Flight]], None],
        *,
        linger: float = LINGER,
        timeout: float = DELIVERY_TIMEOUT,
    ) -> None:
        """`linger` is in milliseconds, `timeout` in seconds."""
        self._topic = topic
        self._settle = settle
        self._loop = asyncio.get_running_loop()
        self._landed: list[Flight] = []
        self._is_broken = False
        self._is_stopped = False
        self._config: dict[str, Any] = {
            **client,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": linger,
            "delivery.timeout.ms": int(timeout * 1000),
            "error_cb": self._failed,
        }
        self._producer = Producer(self._config, logger=log)
        self._thread = threading.Thread(target=self._run, name="hubbub-kafka-producer", daemon=True)
        self._thread.start()

    def send(self, item: Append, partition: int, floor: int) -> Flight:
        """Sends a record soon. Raises `OSError` when it was not even tried, `ValueError` when it is too large."""
        flight = Flight(item, partition, floor, self._landed_in_thread)
        try:
            self._producer.produce(
                self._topic,
                value=item.record,
                key=item.log.encode(),
                partition=partition,
                headers=make_headers(item.session, item.message_id),
                on_delivery=flight.land,
            )
        except BufferError:
            raise ConnectionError("too much waits for Kafka") from None
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise ValueError("the record is larger than Kafka takes") from None
            raise ConnectionError(str(error.args[0])) from None
        return flight

    def stop(self) -> None:
        """Waits until everything has landed. Blocks."""
        self._is_stopped = True
        self._thread.join()

    def _landed_in_thread(self, flight: Flight) -> None:
        self._landed.append(flight)

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self._producer.poll(_POLL)
                self._gather()
                if self._is_broken:
                    self._renew()
            except Exception:
                log.exception("the producer's thread goes on")
            self._hand_over()
        self._producer.flush(self._config["delivery.timeout.ms"] / 1000 + 1)
        self._hand_over()

    def _gather(self) -> None:
        """What was sent together lands partition by partition, most often."""
        deadline = time.monotonic() + _GATHER
        while self._landed and len(self._producer) and (left := deadline - time.monotonic()) > 0:
            self._producer.poll(left)

    def _hand_over(self) -> None:
        if not self._landed:
            return
        landed, self._landed = self._landed, []
        try:
            self._loop.call_soon_threadsafe(self._settle, landed)
        except RuntimeError:
            log.debug("the loop that waited for Kafka is closed")

    def _failed(self, error: KafkaError) -> None:
        if error.fatal():
            log.error("the producer failed, and is replaced: %s", error.str())
            self._is_broken = True
        else:
            log.debug("the producer: %s", error.str())

    def _renew(self) -> None:
        """An idempotent producer that failed for good cannot go on; what it had may or may not be in the log."""
        broken = self._producer
        self._producer = Producer(self._config, logger=log)
        self._is_broken = False
        broken.purge()
        broken.flush(1)
