"""Which nodes there are, on Redis. What is not renewed in time is gone, by the server's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from hubbub.backends.redis.answers import answered, nothing
from hubbub.backends.redis.calls import Calls
from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.naming import Names
from hubbub.ports import Lease, NodeRecord

_encode = msgspec.json.Encoder().encode
# Fields that a newer node added are left out.
_decode = msgspec.json.Decoder(NodeRecord).decode


class RedisRegistry:
    """Implements `Registry`. `clock` is for tests: seconds that times to live are counted by."""

    def __init__(self, client: RedisClient, names: Names, *, clock: Callable[[], float] | None = None) -> None:
        self._calls = Calls(client)
        self._keys = (names.common("registry"),)
        self._clock = clock

    def announce(self, record: NodeRecord, ttl: float) -> Awaitable[bool]:
        return answered(
            self._call("announce", record.name, record.run, int(ttl * 1000), _encode(record)),
            bool,
        )

    def withdraw(self, name: str, run: str) -> Awaitable[None]:
        return answered(self._call("withdraw", name, run), nothing)

    def nodes(self) -> Awaitable[Sequence[NodeRecord]]:
        return answered(self._call("nodes"), lambda said: sorted(map(_decode, said), key=lambda record: record.name))

    def lease(self, name: str, holder: str, ttl: float) -> Awaitable[Lease | None]:
        return answered(
            self._call("lease", name, holder, int(ttl * 1000)),
            lambda fence: None if fence is None else Lease(name, holder, fence),
        )

    def release(self, lease: Lease) -> Awaitable[None]:
        return answered(self._call("release", lease.name, lease.holder, lease.fence), nothing)

    async def close(self) -> None:
        await self._calls.drain()

    def _call(self, function: str, *args: str | bytes | int) -> Awaitable[Any]:
        now = "" if self._clock is None else int(self._clock() * 1000)
        return self._calls.call(function, self._keys, now, *args)
