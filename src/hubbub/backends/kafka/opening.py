"""From a URL to the log on Kafka."""

from __future__ import annotations

from typing import Any

from hubbub.backends.kafka.address import parse
from hubbub.backends.kafka.log import KafkaLog
from hubbub.backends.kafka.topic import Steward
from hubbub.config import Settings
from hubbub.delivery.dedup import AGE
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError

START_PATIENCE = 10.0
"""Seconds in which a broker has to answer at the start."""


class KafkaBackend:
    """A log on one topic: `kafka://host:9092,host:9092/topic?partitions=4`. It is nothing but a log.

    `connect` before anything is used, `close` after the log was closed. `kept` in seconds is for a topic that has to
    be made, `start_patience` for the brokers at the start; the other options are `KafkaLog`'s.
    """

    sessions = None
    directory = None
    presence = None
    registry = None
    mailbox = None
    snapshots = None

    def __init__(
        self,
        url: str,
        *,
        setting: str = "log",
        cluster: str = "hubbub",
        kept: float = 3600.0,
        start_patience: float = START_PATIENCE,
        **options: Any,
    ) -> None:
        address = parse(url, setting, cluster)
        self._setting = setting
        self._patience = start_patience
        self._steward = Steward(address, kept)
        self.log = KafkaLog(address, self._steward, **options)

    async def connect(self) -> None:
        """Raises `ConfigurationError` when no broker answers, or the topic is of no use."""
        self.log.connect(await self._steward.open(self._setting, self._patience))

    async def close(self) -> None:
        """The log's own clients are gone with it."""


def open_backend(
    url: str,
    setting: str,
    settings: Settings,
    *,
    retention: RetentionPolicy,
    dedup_age: float = AGE,
) -> KafkaBackend:
    """What `hubbub.app.stores` opens. Raises `ConfigurationError` for rules that Kafka does not know."""
    ages = [settings.retention_age]
    for rule in settings.channels:
        if rule.overrun == "conflate":
            raise ConfigurationError(
                "channels.overrun", f"{rule.channel}: logs on Kafka do not conflate; say gap or disconnect"
            )
        if rule.age is not None:
            ages.append(rule.age)
    return KafkaBackend(
        url,
        setting=setting,
        cluster=settings.cluster,
        retention=retention,
        memory=settings.memory_limit,
        dedup_age=dedup_age,
        kept=max(ages),
    )
