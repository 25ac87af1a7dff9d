"""Subscriptions that stay: one connection for each server, watched, reconnected, and told of when it was away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.link import Link
from hubbub.backends.redis.socket import Listener


class Subscriber:
    """Which sharded channels are subscribed to, and who hears them.

    A connection that hears nothing for `silence` seconds, though it asks every `beat`, is taken to be lost.
    """

    def __init__(self, client: RedisClient, *, beat: float = 1.0, silence: float = 3.0) -> None:
        self._client = client
        self._beat = beat
        self._silence = silence
        self._listeners: dict[bytes, Listener] = {}
        self._places: dict[bytes, Link] = {}
        self._links: dict[str, Link] = {}

    async def subscribe(self, channel: str, listener: Listener) -> None:
        """Returns when everything published from now on comes. Raises `ConnectionError` when it does not in time."""
        name = channel.encode()
        self._listeners[name] = listener
        try:
            async with asyncio.timeout(self._client.timeout):
                await self._place(name).add(name)
        except TimeoutError:
            raise ConnectionError(f"Redis is away: no subscription to {channel}") from None

    def unsubscribe(self, channel: str) -> None:
        """Nothing more comes. Harmless when it is not subscribed to."""
        name = channel.encode()
        self._listeners.pop(name, None)
        link = self._places.pop(name, None)
        if link is not None:
            link.remove(name)

    async def close(self) -> None:
        """Hangs up."""
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._links.clear()

    def move(self, channels: Sequence[bytes]) -> None:
        """These were subscribed to at a server that is gone, or that no longer has them."""
        for name in channels:
            if name in self._listeners:
                self._place(name).adopt(name)

    def _place(self, name: bytes) -> Link:
        """The link that a channel belongs to now."""
        address = self._client.address(name.decode())
        link = self._links.get(address)
        if link is None:
            link = Link(self._client, address, self._listeners, self.move, beat=self._beat, silence=self._silence)
            self._links[address] = link
        before = self._places.get(name)
        if before is not None and before is not link:
            before.remove(name)
        self._places[name] = link
        return link
