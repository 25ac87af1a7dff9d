"""One server's pub/sub connection, kept up: connected when needed, watched, and anew when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from hubbub.backends.redis.client import RedisClient
from hubbub.backends.redis.socket import Listener, SubscribedSocket
from hubbub.backends.redis.takeover import FAILURES
from hubbub.delivery.backoff import Backoff

log = logging.getLogger("hubbub.redis")

_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Bounds of the seconds before another connection is tried."""


class Link:
    """The channels at one server. `move` is given those that have to be looked for anew when it is lost."""

    def __init__(
        self,
        client: RedisClient,
        address: str,
        listeners: dict[bytes, Listener],
        move: Callable[[Sequence[bytes]], None],
        *,
        beat: float,
        silence: float,
    ) -> None:
        self._client = client
        self._address = address
        self._listeners = listeners
        self._move = move
        self._beat = beat
        self._silence = silence
        self._channels: dict[bytes, asyncio.Future[None]] = {}
        """Done when the server confirmed the subscription, on this connection or one before."""
        self._interrupted: set[bytes] = set()
        """Confirmed once, and to be confirmed again."""
        self._asked: dict[bytes, int] = {}
        """How many answers are to come for a channel."""
        self._socket: SubscribedSocket | None = None
        self._task: asyncio.Task[None] | None = None

    async def add(self, channel: bytes) -> None:
        """Returns when the subscription is confirmed. Raises `ConnectionError` when it was taken back meanwhile."""
        if channel not in self._channels:
            self._subscribe(channel)
        await asyncio.shield(self._channels[channel])

    def adopt(self, channel: bytes) -> None:
        """Subscribes to what was subscribed to before, here or elsewhere; its listener is told once it is confirmed."""
        self._interrupted.add(channel)
        if channel not in self._channels:
            self._subscribe(channel)

    def remove(self, channel: bytes) -> None:
        self._interrupted.discard(channel)
        confirmed = self._channels.pop(channel, None)
        if confirmed is None:
            return
        if not confirmed.done():
            confirmed.set_exception(ConnectionError("the subscription was taken back"))
            # Perhaps nobody waits for it.
            confirmed.exception()
        self._ask(b"SUNSUBSCRIBE", channel)

    async def close(self) -> None:
        for channel in list(self._channels):
            self.remove(channel)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def _subscribe(self, channel: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._channels[channel] = loop.create_future()
        if self._task is None:
            self._task = loop.create_task(self._run())
        self._ask(b"SSUBSCRIBE", channel)

    def _ask(self, *command: bytes) -> None:
        """Without a connection there is nothing to ask: a new one subscribes to all."""
        if self._socket is not None:
            self._asked[command[1]] = self._asked.get(command[1], 0) + 1
            self._socket.send(command)

    async def _run(self) -> None:
        backoff = Backoff(random.Random(), initial=_PAUSE, maximum=_LONGEST_PAUSE)  # noqa: S311
        loop = asyncio.get_running_loop()
        try:
            while self._channels:
                started = loop.time()
                problem = await self._live()
                if loop.time() - started > self._silence:
                    backoff.reset()
                # Told once, however long it lasts.
                level = logging.DEBUG if backoff.attempts else logging.WARNING
                log.log(level, "subscriptions at %s %s were lost: %s", self._client.shown, self._address, problem)
                await asyncio.sleep(backoff.next())
                await self._look_anew()
        finally:
            self._task = None

    async def _live(self) -> str:
        """One connection's life. Returns what ended it."""
        socket = SubscribedSocket(self._listeners, self._confirm, self._dropped)
        try:
            connection = self._client.connection(next(iter(self._channels)).decode())
            async with asyncio.timeout(self._client.timeout):
                await socket.open(connection)
            self._socket = socket
            self._asked = dict.fromkeys(self._channels, 1)
            socket.send(*((b"SSUBSCRIBE", channel) for channel in self._channels))
            await self._watch(socket)
        except FAILURES as error:
            return str(error) or type(error).__name__
        finally:
            self._socket = None
            socket.abort("closed")
            self._interrupted.update(channel for channel, confirmed in self._channels.items() if confirmed.done())
        return socket.problem

    async def _watch(self, socket: SubscribedSocket) -> None:
        """Returns when the connection is lost, or as good as lost."""
        loop = asyncio.get_running_loop()
        while not socket.lost.is_set():
            socket.send((b"PING",))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await socket.lost.wait()
            if loop.time() - socket.heard > self._silence:
                socket.abort(f"nothing heard for {self._silence:g} s")

    async def _look_anew(self) -> None:
        """What was connected goes, and in a cluster the channels may be at another server by now."""
        try:
            await self._client.refresh()
            self._move(list(self._channels))
        except ConnectionError as error:
            log.debug("%s cannot say who has which slot: %s", self._client.shown, error)
        except Exception:
            # Whatever it was: who is subscribed is owed another try.
            log.exception("%s was not looked at", self._client.shown)

    def _confirm(self, channel: bytes) -> None:
        if self._is_settled(channel):
            confirmed = self._channels.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            if channel in self._interrupted:
                self._interrupted.discard(channel)
                self._listeners[channel].interrupted()

    def _dropped(self, channel: bytes) -> None:
        if self._is_settled(channel) and channel in self._channels and self._socket is not None:
            self._socket.abort("the server took a subscription back")

    def _is_settled(self, channel: bytes) -> bool:
        """Whether this is the answer to what was asked last of the channel."""
        left = self._asked.pop(channel, 1) - 1
        if left:
            self._asked[channel] = left
        return not left
