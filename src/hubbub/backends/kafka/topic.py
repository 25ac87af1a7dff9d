"""The topic that all logs are in: where each is, how the topic is made, and how one tells that it was made anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, NamedTuple
from zlib import crc32

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from hubbub.backends.kafka.address import Address
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.kafka")

_TIMEOUT = 5.0
_RETRY = 0.1


class Topic(NamedTuple):
    """The topic as it is. Another `epoch` is another topic, or one in which the logs are in other partitions."""

    name: str
    partitions: int
    epoch: str

    def partition_of(self, log: str) -> int:
        """Where the log's records are: the same for every node and for ever."""
        return crc32(log.encode()) % self.partitions


class Steward:
    """Looks after the topic. Everything raises `OSError` when no answer comes."""

    def __init__(self, address: Address, retention: float) -> None:
        """`retention` is in seconds: what the topic keeps if it has to be made."""
        self._address = address
        self._retention = retention
        self._refusal = ""
        config: dict[str, Any] = {**address.client, "error_cb": self._failed}
        self.admin = AdminClient(config, logger=log)

    async def open(self, setting: str, patience: float) -> Topic:
        """The topic, made if it is missing. Raises `ConfigurationError` that names the setting."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        opening = loop.create_task(self._open_patiently(setting))
        while not (opening.done() or self._refusal or loop.time() > deadline):
            await asyncio.wait([opening], timeout=_RETRY)
            # Brings `_failed` what there is to say.
            self.admin.poll(0)
        if opening.done():
            return opening.result()
        opening.cancel()
        servers = self._address.servers
        if self._refusal:
            raise ConfigurationError(setting, f"Kafka at {servers} lets nobody in with this login: {self._refusal}")
        raise ConfigurationError(
            setting, f"no Kafka answers at {servers} within {patience:g} s; start it, or correct the address"
        )

    async def _open_patiently(self, setting: str) -> Topic:
        while True:
            try:
                return await self._open(setting)
            except OSError as error:
                log.info("Kafka is not there yet: %s", error)
            await asyncio.sleep(_RETRY)

    def _failed(self, error: KafkaError) -> None:
        """What will not get better by waiting ends the start."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refusal = error.str()

    async def describe(self) -> Topic | None:
        """The topic as it is now; None when there is none."""
        name = self._address.topic
        try:
            found = self.admin.describe_topics(TopicCollection([name]), request_timeout=_TIMEOUT)[name]
            description = await answer(found)
        except Missing:
            return None
        return Topic(name, len(description.partitions), f"{description.topic_id}.{len(description.partitions)}")

    async def _open(self, setting: str) -> Topic:
        topic = await self.describe() or await self.make()
        if topic is None:
            raise Missing("the topic is not there yet")
        await self._check(setting)
        await self._ask_leaders(topic)
        return topic

    async def make(self) -> Topic | None:
        """Makes the topic, unless another node is quicker; None while the broker does not know of it yet."""
        new = NewTopic(
            self._address.topic,
            num_partitions=self._address.partitions,
            replication_factor=-1,
            config={"retention.ms": str(int(self._retention * 1000)), "cleanup.policy": "delete"},
        )
        try:
            await answer(self.admin.create_topics([new], request_timeout=_TIMEOUT)[new.topic])
        except FileExistsError:
            log.debug("another node made the topic")
        # Not every broker knows of it at once.
        return await self.describe()

    async def _ask_leaders(self, topic: Topic) -> None:
        """A topic that was just made is not ready at once. Raises `OSError` as long as a partition is not."""
        places = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        ends = self.admin.list_offsets(dict.fromkeys(places, OffsetSpec.latest()), request_timeout=_TIMEOUT)
        for end in ends.values():
            await answer(end)

    async def _check(self, setting: str) -> None:
        """A topic that is compacted would lose all but a log's last record."""
        resource = ConfigResource(ResourceType.TOPIC, self._address.topic)
        settings = await answer(self.admin.describe_configs([resource], request_timeout=_TIMEOUT)[resource])
        if "compact" in str(settings["cleanup.policy"].value):
            raise ConfigurationError(
                setting,
                f"the topic {self._address.topic!r} is compacted; give it cleanup.policy=delete, or name another",
            )


class Missing(OSError):
    """There is no such topic."""


class NotYet(OSError):
    """A partition has no leader now, or the broker that was asked is not it: it is to be asked again soon."""


async def answer(future: Any) -> Any:
    """What an admin call of confluent-kafka came to. Raises `OSError` when it failed."""
    pending: Awaitable[Any] = asyncio.wrap_future(future)
    try:
        return await pending
    except KafkaException as error:
        raise explain(error.args[0]) from None


def explain(error: KafkaError) -> OSError:
    """An error of librdkafka as one of Python's."""
    code = error.code()
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.UNKNOWN_TOPIC_ID, KafkaError._UNKNOWN_TOPIC):
        return Missing(error.str())
    if code in _PASSING:
        return NotYet(error.str())
    if code == KafkaError.TOPIC_ALREADY_EXISTS:
        return FileExistsError(error.str())
    return ConnectionError(f"{error.name()}: {error.str()}")


_PASSING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    # No leaders were found.
    KafkaError._NOENT,
}
"""While a leader comes back or is chosen."""
