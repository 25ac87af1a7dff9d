"""Appends: which of them are repeats, and what the others came to."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError

from hubbub.backends.kafka.address import LINGER
from hubbub.backends.kafka.following import Following
from hubbub.backends.kafka.producing import DELIVERY_TIMEOUT, Flight, ProducerThread
from hubbub.backends.kafka.repeats import Identity, Repeats
from hubbub.backends.kafka.topic import Topic, explain
from hubbub.ports import Append, Appended, Refused

log = logging.getLogger("hubbub.kafka")

Results = Sequence[Appended | Refused]

_MOST_WAITING = 10_000
_PATIENCE = 5.0
_CONDITIONAL = Refused("unavailable", "a log on Kafka cannot append on a condition")
_TOO_LARGE = Refused("too_large", "the record is larger than Kafka takes")


class _Batch:
    """Appends that are answered together."""

    __slots__ = ("_error", "_future", "_left", "_results")

    def __init__(self, size: int, future: asyncio.Future[Results]) -> None:
        self._future = future
        self._results: list[Appended | Refused] = [_CONDITIONAL] * size
        self._left = size
        self._error: OSError | None = None

    def answer(self, place: int, result: Appended | Refused | OSError) -> None:
        """What became of one. One that failed fails all: they are to be repeated, and what is in the log is known."""
        if isinstance(result, OSError):
            self._error = result
        else:
            self._results[place] = result
        self._left -= 1
        if self._left or self._future.done():
            return
        if self._error is None:
            self._future.set_result(self._results)
        else:
            self._future.set_exception(self._error)


class Appender:
    """Appends batch after batch. A message with an identity waits until its partition is known to the end."""

    def __init__(
        self,
        client: Mapping[str, Any],
        topic: Topic,
        following: Following,
        repeats: Repeats,
        suspect: Callable[[], None],
        *,
        linger: float = LINGER,
        timeout: float = DELIVERY_TIMEOUT,
    ) -> None:
        """`suspect` is called when it seems that the topic was made anew."""
        self._topic = topic
        self._following = following
        self._repeats = repeats
        self._suspect = suspect
        self._waiting: deque[tuple[Sequence[Append], asyncio.Future[Results]]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._flying: dict[Identity, list[tuple[_Batch, int]]] = {}
        self._boarded: dict[Flight, tuple[_Batch, int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: set[asyncio.Future[Results]] = set()
        self._producer = ProducerThread(client, topic.name, self._landed, linger=linger, timeout=timeout)

    def append(self, batch: Sequence[Append]) -> asyncio.Future[Results]:
        """A future of the results, in the batch's order. It raises `OSError` when not all of them are known."""
        future: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        if not batch:
            future.set_result(())
        elif len(self._waiting) >= _MOST_WAITING:
            future.set_exception(ConnectionError("too much waits for Kafka"))
        elif self._waiting or not all(self._following.find(number) for number in self._needed(batch)):
            self._waiting.append((batch, future))
            if self._pump is None:
                self._pump = asyncio.get_running_loop().create_task(self._prepare())
        else:
            self._send(batch, future)
        return future

    async def close(self) -> None:
        """Waits for what was accepted."""
        while self._pending:
            await asyncio.wait(self._pending)
        await asyncio.get_running_loop().run_in_executor(None, self._producer.stop)

    def _needed(self, batch: Sequence[Append]) -> set[int]:
        """The partitions in which repeats are to be looked for."""
        return {self._topic.partition_of(item.log) for item in batch if item.session}

    async def _prepare(self) -> None:
        while self._waiting:
            batch, future = self._waiting[0]
            try:
                for number in self._needed(batch):
                    await self._following.need(number)
            except OSError as error:
                if not future.done():
                    future.set_exception(error)
            else:
                self._send(batch, future)
            self._waiting.popleft()
        self._pump = None

    def _send(self, items: Sequence[Append], future: asyncio.Future[Results]) -> None:
        batch = _Batch(len(items), future)
        for place, item in enumerate(items):
            if item.expected is not None:
                batch.answer(place, _CONDITIONAL)
            elif not item.session:
                self._board(item, batch, place)
            else:
                self._send_once((item.session, item.message_id.lower()), item, batch, place)

    def _send_once(self, identity: Identity, item: Append, batch: _Batch, place: int) -> None:
        known = self._repeats.find(identity)
        if known is not None:
            batch.answer(place, Appended(self._topic.epoch, known.offset, True))
            return
        flying = self._flying.get(identity)
        if flying is not None:
            flying.append((batch, place))
        elif self._board(item, batch, place):
            self._flying[identity] = []

    def _board(self, item: Append, batch: _Batch, place: int) -> bool:
        number = self._topic.partition_of(item.log)
        partition = self._following.find(number)
        try:
            flight = self._producer.send(item, number, self._following.end_of(number))
        except ValueError:
            batch.answer(place, _TOO_LARGE)
        except OSError as error:
            batch.answer(place, error)
        else:
            if partition is not None:
                self._following.keep(partition)
            self._boarded[flight] = batch, place
            return True
        return False

    def _landed(self, flights: Sequence[Flight]) -> None:
        strangers = []
        for flight in flights:
            if self._is_strange(flight):
                strangers.append(flight)
            else:
                self._answer(flight)
        if strangers:
            task = asyncio.get_running_loop().create_task(self._look_behind(strangers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_strange(self, flight: Flight) -> bool:
        """Whether another node may have appended the same a moment ago, for a session that has just come here."""
        session = flight.item.session
        return bool(session) and flight.error is None and not self._repeats.is_at_home(session)

    async def _look_behind(self, flights: Sequence[Flight]) -> None:
        """Answers when everything that is before them in their partitions was seen."""
        for flight in flights:
            partition = self._following.find(flight.partition)
            try:
                async with asyncio.timeout(_PATIENCE):
                    if partition is not None:
                        await partition.reach(flight.offset)
            except OSError as error:
                log.warning("what was appended cannot be read: %r", error)
            else:
                self._repeats.welcome(flight.item.session)
            self._answer(flight)

    def _answer(self, flight: Flight) -> None:
        batch, place = self._boarded.pop(flight)
        result, again = self._result(flight)
        batch.answer(place, result)
        if flight.item.session:
            for other, where in self._flying.pop(_identity(flight.item), ()):
                other.answer(where, again)

    def _result(self, flight: Flight) -> tuple[Appended | Refused | OSError, Appended | Refused | OSError]:
        """What became of it, and what its repeats that came meanwhile are told."""
        item = flight.item
        if flight.error is not None:
            if flight.error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                return _TOO_LARGE, _TOO_LARGE
            error = explain(flight.error)
            return error, error
        if flight.offset <= flight.floor:
            self._suspect()
            error = ConnectionError("the topic was made anew")
            return error, error
        epoch = self._topic.epoch
        self._following.note_end(flight.partition, flight.offset)
        first = flight.offset
        if item.session:
            # It may be the repeat of what another node appended a moment ago.
            first = self._repeats.settle(_identity(item), item.log, flight.offset).offset
        return Appended(epoch, first, first != flight.offset), Appended(epoch, first, True)


def _identity(item: Append) -> Identity:
    return item.session, item.message_id.lower()
