"""Sessions on Redis: a hash for each, found by digest, user and connection in one round trip."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hubbub.backends.redis.answers import answered, nothing
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names
from hubbub.ports import SessionRecord


class RedisSessions:
    """Implements `Sessions`. What has expired the server forgets by itself, by its own clock.

    `wall` is for tests: seconds since 1970 that expiry goes by, too.
    """

    def __init__(self, client: RedisClient, names: Names, *, wall: Callable[[], float] | None = None) -> None:
        self._calls = Calls(client)
        self._keys = (names.common("sessions"),)
        self._wall = wall
        self._now = wall or time.time

    def save(self, record: SessionRecord) -> Awaitable[bool]:
        # How long it lives, not until when: the server's clock may differ.
        left = int((record.expires - self._now()) * 1000)
        saved = self._call(
            "session_save",
            record.digest,
            left,
            record.key,
            record.user,
            record.connection,
            repr(record.created),
            repr(record.expires),
            record.state,
            record.fence,
        )
        return answered(saved, bool)

    def load(self, digest: str) -> Awaitable[SessionRecord | None]:
        return answered(self._call("session_load", digest), _record)

    def delete(self, digest: str) -> Awaitable[None]:
        return answered(self._call("session_delete", digest), nothing)

    def of_user(self, user: str) -> Awaitable[Sequence[SessionRecord]]:
        return answered(self._call("sessions_of_user", user), _records)

    def of_connection(self, connection: str) -> Awaitable[SessionRecord | None]:
        return answered(self._call("session_of_connection", connection), _record)

    async def close(self) -> None:
        await self._calls.drain()

    def _call(self, function: str, *args: str | bytes | int) -> Awaitable[Any]:
        return self._calls.call(function, self._keys, "" if self._wall is None else repr(self._wall()), *args)


def _record(fields: Sequence[bytes] | None) -> SessionRecord | None:
    if fields is None:
        return None
    key, user, connection, created, expires, state, fence, digest = fields
    return SessionRecord(
        digest=digest.decode(),
        key=key.decode(),
        user=user.decode(),
        connection=connection.decode(),
        created=float(created),
        expires=float(expires),
        state=state,
        fence=int(fence),
    )


def _records(found: Sequence[Sequence[bytes]]) -> Sequence[SessionRecord]:
    records = [record for record in map(_record, found) if record is not None]
    return sorted(records, key=lambda record: record.created)
