"""Logs of several nodes on one new topic, and other programs that meddle with it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from hubbub.backends.kafka.envelope import make_headers
from hubbub.backends.kafka.log import KafkaLog
from hubbub.backends.kafka.opening import KafkaBackend
from hubbub.ports import Append, Appended


class Nodes:
    """All of them see the same topic."""

    def __init__(self, servers: str, partitions: int = 4, linger: float = 0.5) -> None:
        """`linger` in milliseconds is short: most tests append one record after the other."""
        self.servers = servers
        self.topic = f"test-{secrets.token_hex(4)}"
        self.url = f"kafka://{servers}/{self.topic}?partitions={partitions}&linger={linger}"
        self.admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        self._open: list[KafkaLog] = []

    async def make(self, **options: Any) -> KafkaLog:
        backend = KafkaBackend(self.url, **options)
        await backend.connect()
        self._open.append(backend.log)
        return backend.log

    async def close(self) -> None:
        await asyncio.gather(*(log.close() for log in self._open))

    def produce(self, log: KafkaLog, name: str, record: bytes, session: str = "", message_id: str = "") -> int:
        """Puts a record where a node would, without asking anybody. Returns its offset."""
        placed: list[int] = []
        producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})
        producer.produce(
            self.topic,
            value=record,
            key=name.encode(),
            partition=log._now.topic.partition_of(name),
            headers=make_headers(session, message_id),
            on_delivery=lambda _, message: placed.append(message.offset() + 1),
        )
        producer.flush(10)
        return placed[0]

    def produce_foreign(self, log: KafkaLog, name: str, **message: Any) -> None:
        """Puts what is not Hubbub's into the partition of a log."""
        producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})
        producer.produce(self.topic, partition=log._now.topic.partition_of(name), **message)
        assert producer.flush(10) == 0

    def lose(self, log: KafkaLog, name: str, before: int) -> None:
        """Deletes what is before an offset of a log's partition, as retention does."""
        place = TopicPartition(self.topic, log._now.topic.partition_of(name), before - 1)
        for done in self.admin.delete_records([place]).values():
            done.result(10)

    def delete(self) -> None:
        """Deletes the topic."""
        self.admin.delete_topics([self.topic])[self.topic].result(10)


async def put(log: KafkaLog, *items: Append) -> list[Appended]:
    found = []
    for result in await log.append(items):
        assert isinstance(result, Appended), result
        found.append(result)
    return found


async def records(log: KafkaLog, name: str, **query: Any) -> list[bytes]:
    return [record for _, record in (await log.read(name, **{"limit": 10_000, **query})).entries]
