"""One URL, a Redis server or a cluster of them: connecting, the library of functions, and what errors mean."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
    SlotNotCoveredError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as Late

from hubbub.backends.redis.library import function, library
from hubbub.backends.redis.pipe import Line
from hubbub.backends.redis.takeover import FAILURES
from hubbub.config.stores import hide_password
from hubbub.errors import ConfigurationError

log = logging.getLogger("hubbub.redis")

TIMEOUT = 2.0
"""Seconds that a command may take; after them its outcome is unknown."""
PATIENCE = 10.0
"""Seconds for which a server that is away at the start is tried again."""
_PAUSE = 0.5
_ELSEWHERE = ("MOVED ", "ASK ", "TRYAGAIN ")


class Call(NamedTuple):
    """A function of the library with its keys (all of one hash tag) and arguments."""

    function: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float]


class RedisClient:
    """Connects to what `url` names, and calls functions there. `setting` is who named it."""

    def __init__(
        self, url: str, setting: str = "backend", *, timeout: float = TIMEOUT, patience: float = PATIENCE
    ) -> None:
        self.url = url
        self.setting = setting
        self.timeout = timeout
        self._patience = patience
        self._options: dict[str, Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            # The third makes the driver trust connections that the server closed.
            "protocol": 2,
            # Whoever calls knows whether a repeat is harmless; here nothing is repeated whose outcome is unknown.
            "retry": Retry(NoBackoff(), 0),
        }
        self.durable = False
        """Whether what the server answered for is there after a restart, too: `appendfsync always`."""
        self._redis: Redis | RedisCluster | None = None
        self._lines: dict[str, Line] = {}
        self._loading = asyncio.Lock()

    async def connect(self) -> None:
        """Returns when the server answers and has the functions.

        A server that is away is tried for `patience` seconds. Raises `ConfigurationError`, which names the setting.
        """
        if self._redis is not None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience
        warned = False
        while True:
            try:
                self._redis = await self._try()
                return
            except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
                raise self._wrong(f"refuses user and password of the URL ({error}); correct them") from None
            except (Unreachable, Late, BusyLoadingError, OSError) as error:
                if loop.time() >= deadline:
                    raise self._wrong(f"cannot be reached ({error}); start it, or correct the address") from None
                if not warned:
                    warned = True
                    log.warning("%s: %s: %s; trying for %g s", self.setting, self.shown, error, self._patience)
            except (RedisError, RedisClusterException, ValueError) as error:
                raise self._wrong(f"cannot be used: {error}") from None
            await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        """Hangs up. What is under way is lost."""
        for line in self._lines.values():
            line.close()
        redis, self._redis = self._redis, None
        if redis is not None:
            await _hang_up(redis)

    @property
    def shown(self) -> str:
        """The URL as it may be logged."""
        return hide_password(self.url)

    @property
    def database(self) -> int:
        """The number of the database: channels, unlike keys, are shared by all of them."""
        if isinstance(self._redis, Redis):
            return int(self._redis.connection_pool.connection_kwargs.get("db") or 0)
        return 0

    async def execute(self, calls: Sequence[Call]) -> list[Any]:
        """What each call answered, or the error it was refused with. In one pipeline for each server.

        Calls with keys in common are executed in order. Raises `ConnectionError` when any outcome is unknown.
        """
        answers = await self._execute(calls)
        missing = [index for index, answer in enumerate(answers) if _is_missing(answer)]
        if missing:
            # The server was restarted or flushed: they were not executed.
            await self._load_anew()
            again = await self._execute([calls[index] for index in missing])
            for index, answer in zip(missing, again, strict=True):
                answers[index] = answer
        return answers

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publishes each message to its sharded channel. Raises `ConnectionError`."""
        await self._run([("SPUBLISH", channel, message) for channel, message in messages], [one for one, _ in messages])

    def address(self, channel: str) -> str:
        """Of the server that a channel is at; empty where there is only one. Cheap: for thousands of channels."""
        redis = self._connected()
        return str(_node_of(redis, channel).name) if isinstance(redis, RedisCluster) else ""

    def connection(self, channel: str) -> AbstractConnection:
        """A new connection to the server that a channel is at, not yet connected. The driver is slow to make one."""
        redis = self._connected()
        place = _node_of(redis, channel) if isinstance(redis, RedisCluster) else redis.connection_pool
        return place.connection_class(**place.connection_kwargs)

    async def refresh(self) -> None:
        """A server was away: what is connected to it is of no use, and the cluster may have put others in its place."""
        redis = self._connected()
        try:
            if isinstance(redis, RedisCluster):
                for node in redis.get_nodes():
                    await node.disconnect_free_connections()
                await redis.nodes_manager.initialize()
            else:
                await redis.connection_pool.disconnect(inuse_connections=False)
        except FAILURES as error:
            raise ConnectionError(str(error)) from None
        # While one of several is away it is what it was.
        with contextlib.suppress(*FAILURES):
            self.durable = await _is_durable(redis)

    async def _execute(self, calls: Sequence[Call]) -> list[Any]:
        commands = [("FCALL", function(call.function), len(call.keys), *call.keys, *call.args) for call in calls]
        return await self._run(commands, [call.keys[0] for call in calls])

    async def _run(self, commands: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> list[Any]:
        """What each command was answered; `keys` say which server of a cluster it is for."""
        redis = self._connected()
        if isinstance(redis, Redis):
            return await self._line("", redis.connection_pool).execute(commands)
        return await self._spread(redis, commands, keys)

    async def _spread(self, redis: RedisCluster, commands: Sequence[tuple[Any, ...]], keys: Sequence[str]) -> list[Any]:
        shares: dict[str, list[int]] = {}
        lines: dict[str, Line] = {}
        for index, key in enumerate(keys):
            node = _node_of(redis, key)
            lines[node.name] = self._line(node.name, node)
            shares.setdefault(node.name, []).append(index)
        running = [lines[name].execute([commands[index] for index in share]) for name, share in shares.items()]
        # All of them, also when one fails: the order of what comes next depends on it.
        results = await asyncio.gather(*running, return_exceptions=True)
        answers: list[Any] = [None] * len(commands)
        for share, result in zip(shares.values(), results, strict=True):
            if isinstance(result, BaseException):
                raise result
            for index, answer in zip(share, result, strict=True):
                answers[index] = answer
        for index, answer in enumerate(answers):
            if isinstance(answer, ResponseError) and str(answer).startswith(_ELSEWHERE):
                answers[index] = await self._redirected(redis, commands[index])
        return answers

    async def _redirected(self, redis: RedisCluster, command: tuple[Any, ...]) -> Any:
        """The slot is moving, or has moved: the driver follows, and knows the next time."""
        try:
            return await redis.execute_command(*command)
        except ResponseError as error:
            return error
        except FAILURES as error:
            raise ConnectionError(f"Redis is away: {error}") from None

    def _line(self, name: str, place: ClusterNode | ConnectionPool) -> Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = Line(lambda: place.connection_class(**place.connection_kwargs), self.timeout)
        return line

    async def _try(self) -> Redis | RedisCluster:
        """Connects, finds out whether it is a cluster, and loads the functions."""
        redis: Redis | RedisCluster = Redis.from_url(self.url, **self._options)
        try:
            facts = await redis.info()
            if facts.get("cluster_enabled"):
                await redis.aclose()
                redis = RedisCluster.from_url(self.url, **self._options)
                await redis.initialize()
            await _load(redis)
            self.durable = await _is_durable(redis)
        except BaseException:
            await _hang_up(redis)
            raise
        _warn(facts, self.durable, self.shown)
        return redis

    async def _load_anew(self) -> None:
        async with self._loading:
            try:
                await _load(self._connected())
            except FAILURES as error:
                raise ConnectionError(f"Redis is away: {error}") from None

    def _connected(self) -> Redis | RedisCluster:
        if self._redis is None:
            raise ConnectionError("Redis is not connected")
        return self._redis

    def _wrong(self, problem: str) -> ConfigurationError:
        return ConfigurationError(self.setting, f"{self.shown} {problem}")


async def _hang_up(redis: Redis | RedisCluster) -> None:
    await redis.aclose()
    if isinstance(redis, RedisCluster):
        # After a command that failed the driver means to begin anew, and takes itself for closed until it has.
        await redis.nodes_manager.aclose()
        await redis.nodes_manager.aclose("startup_nodes")


async def _load(redis: Redis | RedisCluster) -> None:
    """Loads the functions, on every server of a cluster."""
    targets = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(redis, RedisCluster) else {}
    try:
        await redis.execute_command("FUNCTION LOAD", library()[1], **targets)
    except ResponseError as error:
        text = str(error)
        if "unknown command" in text.lower():
            raise ResponseError("Redis 7.0 or newer is needed") from None
        if "already exists" not in text:
            raise


async def _is_durable(redis: Redis | RedisCluster) -> bool:
    """Whether every server waits for its disk before it answers. One that does not tell is taken not to."""
    try:
        found: list[Any]
        if isinstance(redis, RedisCluster):
            found = list((await redis.config_get("append*", target_nodes=RedisCluster.PRIMARIES)).values())
        else:
            found = [await redis.config_get("append*")]
    except ResponseError:
        return False
    return all(one.get("appendonly") == "yes" and one.get("appendfsync") == "always" for one in found)


def _warn(facts: dict[str, Any], durable: bool, shown: str) -> None:
    """Tells of a server that may lose what it was given."""
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        log.warning("%s may drop logs when its memory is full (maxmemory-policy %s): set noeviction", shown, policy)
    if not durable:
        log.info("%s may lose what it answered for (appendfsync is not always): a restart is a new epoch", shown)


def _node_of(redis: RedisCluster, key: str) -> ClusterNode:
    try:
        node = redis.get_node_from_key(key)
    except SlotNotCoveredError:
        node = None
    if node is None:
        raise ConnectionError("Redis is away: no server of the cluster has this slot")
    return node


def _is_missing(answer: object) -> bool:
    return isinstance(answer, ResponseError) and "Function not found" in str(answer)
