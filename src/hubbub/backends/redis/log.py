"""The log on Redis: append, offset, dedup, retention and publish are one function; followers hear of it at once."""

from __future__ import annotations

import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from hubbub.backends.redis.answers import answered, nothing, reason_of
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.live import parse_live
from hubbub.backends.redis.naming import Names
from hubbub.backends.redis.subscriber import Subscriber
from hubbub.delivery.dedup import AGE, WINDOW
from hubbub.delivery.retention import RetentionPolicy
from hubbub.ports import Append, Appended, Page, Refused, Sink
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.redis")

_WRITERS = 100_000
_WRITTEN = 1000
"""Sessions of which it is known where they wrote, and how many logs of each; other message ids go when they are old."""


class _Place(NamedTuple):
    """What is always the same of a log: `args` are what every append says of it."""

    keys: tuple[str, str]
    channel: str
    age: str | int
    args: tuple[str | int, ...]


class RedisLog:
    """Implements `SharedLog` and `DocumentLog`. Answers come later, in order; it raises `ConnectionError`, too.

    A log keeps what `retention` says, and up to an eighth more. Of each session and log the last `dedup_window` message
    ids are remembered at least, for `dedup_age` seconds after the last. Records age by the server's clock, or in tests
    by `clock`, in seconds.
    """

    dense = True
    conditional = True

    def __init__(
        self,
        client: RedisClient,
        names: Names,
        subscriber: Subscriber,
        *,
        retention: RetentionPolicy | None = None,
        clock: Callable[[], float] | None = None,
        dedup_window: int = WINDOW,
        dedup_age: float = AGE,
    ) -> None:
        self._client = client
        self._names = names
        self._subscriber = subscriber
        self._retention = retention or RetentionPolicy()
        self._clock = clock
        self._dedup = int(dedup_age * 1000), dedup_window
        self._calls = Calls(client)
        self._place = lru_cache(maxsize=8192)(self._find_place)
        self._prefix = secrets.token_hex(6)
        self._opened = count()
        self._followed: dict[str, _Followed] = {}
        self._writers: OrderedDict[str, set[str]] = OrderedDict()

    def append(self, batch: Sequence[Append]) -> Awaitable[Sequence[Appended | Refused]]:
        logs: dict[str, list[int]] = {}
        for index, item in enumerate(batch):
            logs.setdefault(item.log, []).append(index)
        # Called now, so that batches are in the order of the appends whoever is awaited first.
        calls = [(indexes, self._append(name, [batch[index] for index in indexes])) for name, indexes in logs.items()]
        return _collect(len(batch), calls)

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Awaitable[Page]:
        place = self._place(log)
        until = "" if before is None else before
        args = (*self._opening(), place.age, after, until, limit, int(newest))
        return answered(self._calls.call("read", place.keys, *args), _page)

    def head(self, log: str) -> Awaitable[Position]:
        return answered(self._calls.call("head", self._place(log).keys, *self._opening()), _position)

    def trim(self, log: str, upto: int) -> Awaitable[None]:
        return answered(self._calls.call("log_drop", self._place(log).keys, *self._opening(), upto), nothing)

    async def follow(self, log: str, sink: Sink) -> Position:
        followed = self._followed.get(log)
        if followed is None:
            followed = self._followed[log] = _Followed(log)
        if sink not in followed.sinks:
            followed.sinks += (sink,)
        try:
            await self._subscriber.subscribe(self._place(log).channel, followed)
            return await self.head(log)
        except BaseException:
            self.unfollow(log, sink)
            raise

    def unfollow(self, log: str, sink: Sink) -> None:
        followed = self._followed.get(log)
        if followed is None:
            return
        followed.sinks = tuple(one for one in followed.sinks if one is not sink)
        if not followed.sinks:
            del self._followed[log]
            self._subscriber.unsubscribe(self._place(log).channel)

    def forget(self, session: str) -> None:
        for name in self._writers.pop(session, ()):
            # A failure is harmless: they go by themselves when they are old.
            self._calls.call("forget", self._place(name).keys, session).add_done_callback(_ignore)

    async def close(self) -> None:
        """What was accepted is answered; nothing is followed any more."""
        for name, followed in list(self._followed.items()):
            for sink in followed.sinks:
                self.unfollow(name, sink)
        await self._calls.drain()

    def _append(self, name: str, items: Sequence[Append]) -> Awaitable[Any]:
        place = self._place(name)
        args: list[str | bytes | int | float] = [*self._opening(), *place.args]
        for item in items:
            session = item.session if item.message_id else ""
            if session:
                self._note(session, name)
            expected = "" if item.expected is None else item.expected
            # UUIDs compare without case.
            args += (item.record, session, item.message_id.lower(), expected)
        return self._calls.call("append", place.keys, *args)

    def _note(self, session: str, name: str) -> None:
        written = self._writers.get(session)
        if written is None:
            written = self._writers[session] = set()
            if len(self._writers) > _WRITERS:
                self._writers.popitem(last=False)
        if len(written) < _WRITTEN:
            written.add(name)

    def _find_place(self, name: str) -> _Place:
        retention = self._retention.of(name)
        # Nothing for what is kept without end.
        age = "" if retention.age == math.inf else int(retention.age * 1000)
        channel = self._names.live(name, self._client.database)
        args = (retention.messages, retention.size, age, *self._dedup, channel)
        return _Place(self._names.log(name), channel, age, args)

    def _opening(self) -> tuple[str | int, str, int]:
        """The time of a test, a name for the epoch that may begin, and whether the server is durable."""
        now = "" if self._clock is None else int(self._clock() * 1000)
        return now, f"{self._prefix}{next(self._opened):x}", int(self._client.durable)


class _Followed:
    """A log and who follows it here; implements `Listener`."""

    __slots__ = ("log", "sinks")

    def __init__(self, log: str) -> None:
        self.log = log
        self.sinks: tuple[Sink, ...] = ()

    def received(self, data: bytes) -> None:
        try:
            epoch, entries = parse_live(data)
        except ValueError as error:
            # A newer node may speak otherwise: what it wrote is in the log all the same.
            log.debug("%s is read: what came cannot be understood (%s)", self.log, error)
            self.interrupted()
            return
        for sink in self.sinks:
            sink.arrived(self.log, epoch, entries)

    def interrupted(self) -> None:
        for sink in self.sinks:
            sink.interrupted(self.log)


async def _collect(count: int, calls: Sequence[tuple[list[int], Awaitable[Any]]]) -> Sequence[Appended | Refused]:
    results: list[Appended | Refused] = [Refused("unavailable", "")] * count
    away: ConnectionError | None = None
    for indexes, call in calls:
        try:
            answer = await call
        except ConnectionError as error:
            # Every call is awaited, so that none fails unseen.
            away = error
        except RedisError as error:
            refusal = Refused("unavailable", reason_of(error))
            for index in indexes:
                results[index] = refusal
        else:
            epoch = answer[0].decode()
            for index, said in zip(indexes, answer[1:], strict=True):
                results[index] = _result(epoch, said)
    if away is not None:
        raise away
    return results


def _page(answer: Sequence[Any]) -> Page:
    epoch, oldest, head, complete = answer[:4]
    return Page(epoch.decode(), list(zip(answer[4::2], answer[5::2], strict=True)), oldest, head, bool(complete))


def _position(answer: Sequence[Any]) -> Position:
    return Position(answer[0].decode(), answer[1])


def _result(epoch: str, said: int | bytes) -> Appended | Refused:
    if isinstance(said, bytes):
        return Refused("conflict", f"the log is at {said.decode()}")
    return Appended(epoch, said) if said > 0 else Appended(epoch, -said, True)


def _ignore(answer: Any) -> None:
    if not answer.cancelled():
        answer.exception()
