"""From a URL to the stores on Redis."""

from __future__ import annotations

from hubbub.backends.redis.client import PATIENCE, TIMEOUT, RedisClient
from hubbub.backends.redis.directory import RedisDirectory
from hubbub.backends.redis.log import RedisLog
from hubbub.backends.redis.mailbox import RedisMailbox
from hubbub.backends.redis.naming import Names
from hubbub.backends.redis.presence import RedisPresence
from hubbub.backends.redis.registry import RedisRegistry
from hubbub.backends.redis.sessions import RedisSessions
from hubbub.backends.redis.snapshots import RedisSnapshots
from hubbub.backends.redis.subscriber import Subscriber
from hubbub.config import Settings
from hubbub.delivery.dedup import AGE
from hubbub.delivery.retention import RetentionPolicy
from hubbub.errors import ConfigurationError


class RedisBackend:
    """Every store that a cluster of hubs needs, on one Redis server or Redis Cluster: `redis://user:password@host:6379/0`.

    `connect` before anything is used, `close` after the stores were closed. Clusters of hubs with different names know
    nothing of each other. `timeout` in seconds is for each command, `patience` for the server at the start.
    """

    def __init__(
        self,
        url: str,
        *,
        setting: str = "backend",
        cluster: str = "hubbub",
        retention: RetentionPolicy | None = None,
        dedup_age: float = AGE,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
    ) -> None:
        self.client = RedisClient(url, setting, timeout=timeout, patience=patience)
        self.subscriber = Subscriber(self.client)
        names = Names(cluster)
        self.log = RedisLog(self.client, names, self.subscriber, retention=retention, dedup_age=dedup_age)
        self.sessions = RedisSessions(self.client, names)
        self.directory = RedisDirectory(self.client, names)
        self.presence = RedisPresence(self.client, names)
        self.registry = RedisRegistry(self.client, names)
        self.snapshots = RedisSnapshots(self.client, names)
        self.mailbox = RedisMailbox(self.client, names, self.subscriber)

    async def connect(self) -> None:
        """Raises `ConfigurationError` when the server is away, refuses, or is too old."""
        await self.client.connect()

    async def close(self) -> None:
        """Hangs up."""
        await self.subscriber.close()
        await self.client.close()


def open_backend(
    url: str, setting: str, settings: Settings, *, retention: RetentionPolicy, dedup_age: float
) -> RedisBackend:
    """What `hubbub.app.stores` opens. Raises `ConfigurationError` for rules that Redis does not know."""
    if settings.log_url == url:
        for rule in settings.channels:
            if rule.overrun == "conflate":
                raise ConfigurationError(
                    "channels.overrun", f"{rule.channel}: logs on Redis do not conflate; say gap or disconnect"
                )
    return RedisBackend(url, setting=setting, cluster=settings.cluster, retention=retention, dedup_age=dedup_age)
