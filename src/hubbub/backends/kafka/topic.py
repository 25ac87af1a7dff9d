"""The topic that all logs are in: where each is, how the topic is made, and how one tells that it was made anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.kafka")

PORT = 9092
PARTITIONS = 16
_TIMEOUT = 5.0
_RETRY = 0.1
_FORM = "write it as kafka://host:9092,host:9092/topic, or with ?partitions=16"


class Address(NamedTuple):
    """What `kafka://host:port,host:port/topic?partitions=16` says. `partitions` is for a topic that is made."""

    servers: str
    topic: str
    partitions: int


class Topic(NamedTuple):
    """The topic as it is. Another `epoch` is another topic, or one in which the logs are in other partitions."""

    name: str
    partitions: int
    epoch: str

    def partition_of(self, log: str) -> int:
        """Where the log's records are: the same for every node and for ever."""
        return crc32(log.encode()) % self.partitions


def parse(url: str, setting: str, cluster: str) -> Address:
    """The topic bears the cluster's name where none is said. Raises `ConfigurationError` that names the setting."""
    parts = urlsplit(url)
    servers = [server if ":" in server else f"{server}:{PORT}" for server in parts.netloc.split(",") if server]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or "@" in host:
            raise ConfigurationError(setting, f"{server!r} is no host:port; {_FORM}")
    topic = parts.path.strip("/") or cluster
    options = parse_qs(parts.query, keep_blank_values=True)
    partitions = options.pop("partitions", [str(PARTITIONS)])[-1]
    if parts.scheme != "kafka" or not servers or options or not partitions.isdecimal() or not int(partitions):
        raise ConfigurationError(setting, _FORM)
    if len(topic) > 249 or not all(letter.isascii() and (letter.isalnum() or letter in "._-") for letter in topic):
        raise ConfigurationError(setting, f"{topic!r} is no name of a topic; {_FORM}")
    return Address(",".join(servers), topic, int(partitions))


class Steward:
    """Looks after the topic. Everything raises `OSError` when no answer comes."""

    def __init__(self, address: Address, retention: float) -> None:
        """`retention` is in seconds: what the topic keeps if it has to be made."""
        self._address = address
        self._retention = retention
        self.admin = AdminClient(client_config(address.servers), logger=log)

    async def open(self, setting: str, patience: float) -> Topic:
        """The topic, made if it is missing. Raises `ConfigurationError` that names the setting."""
        why = "no answer"
        try:
            async with asyncio.timeout(patience):
                while True:
                    try:
                        return await self._open(setting)
                    except OSError as error:
                        why = str(error)
                    await asyncio.sleep(_RETRY)
        except TimeoutError:
            raise ConfigurationError(
                setting,
                f"no Kafka answers at {self._address.servers} within {patience:g} s ({why}); "
                "start it, or correct the address",
            ) from None

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


def client_config(servers: str) -> dict[str, Any]:
    """What every client of librdkafka here is told."""
    return {
        "bootstrap.servers": servers,
        "client.id": "hubbub",
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 30_000,
        # What it logs comes as an error, too, to whom it concerns.
        "log.connection.close": False,
    }
