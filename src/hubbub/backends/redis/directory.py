"""Facts by name in one hash on Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from hubbub.backends.redis.answers import answered, nothing
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names


class RedisDirectory:
    """Implements `Directory`."""

    def __init__(self, client: RedisClient, names: Names) -> None:
        self._calls = Calls(client)
        self._keys = (names.common("directory"),)

    def get(self, name: str) -> Awaitable[bytes | None]:
        return answered(self._call("fact_get", name), lambda value: value)

    def put(self, name: str, value: bytes) -> Awaitable[None]:
        return answered(self._call("fact_put", name, value), nothing)

    def create(self, name: str, value: bytes) -> Awaitable[bool]:
        return answered(self._call("fact_create", name, value), bool)

    def delete(self, name: str) -> Awaitable[None]:
        return answered(self._call("fact_delete", name), nothing)

    def names(self, prefix: str) -> Awaitable[Sequence[str]]:
        return answered(self._call("fact_names", prefix), lambda names: sorted(name.decode() for name in names))

    async def close(self) -> None:
        await self._calls.drain()

    def _call(self, function: str, *args: str | bytes) -> Awaitable[Any]:
        return self._calls.call(function, self._keys, *args)
