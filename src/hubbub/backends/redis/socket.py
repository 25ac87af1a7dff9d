"""One pub/sub connection as bytes come in: messages go to their listeners without a task or a future in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import AbstractConnection

from hubbub.backends.redis.takeover import pack, take_over

log = logging.getLogger("hubbub.redis")

_MORE = object()


class Listener(Protocol):
    """Who hears what is published to a channel. Called in the loop."""

    def received(self, data: bytes) -> None: ...

    def interrupted(self) -> None:
        """Something may have been missed; from now on everything comes."""
        ...


class SubscribedSocket(asyncio.Protocol):
    """A connection in which channels are subscribed to.

    Messages go to `listeners` by their channel; `confirmed(channel)` and `dropped(channel)` tell of subscriptions, and
    `lost` is set when the connection is of no more use.
    """

    def __init__(
        self,
        listeners: dict[bytes, Listener],
        confirmed: Callable[[bytes], None],
        dropped: Callable[[bytes], None],
    ) -> None:
        self.lost = asyncio.Event()
        self.heard = asyncio.get_running_loop().time()
        """When anything came last."""
        self.problem = ""
        self._listeners = listeners
        self._confirmed = confirmed
        self._dropped = dropped
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._writer: asyncio.StreamWriter | None = None
        self._transport: asyncio.WriteTransport | None = None

    async def open(self, connection: AbstractConnection) -> None:
        """Takes over a connection once it is connected and authenticated. Raises `FAILURES`."""
        self._writer = await take_over(connection, self)
        self._transport = self._writer.transport

    def send(self, *commands: tuple[bytes, ...]) -> None:
        """Sends commands in one write."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(map(pack, commands)))

    def abort(self, problem: str) -> None:
        """Ends it at once."""
        self.problem = self.problem or problem
        if self._transport is not None:
            self._transport.abort()
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self.heard = self._loop.time()
        gets = self._reader.gets
        listeners = self._listeners
        self._reader.feed(data)
        try:
            while (reply := gets()) is not _MORE:
                if isinstance(reply, list) and reply[0] == b"smessage":
                    listener = listeners.get(reply[1])
                    if listener is not None:
                        listener.received(reply[2])
                else:
                    self._answered(reply)
        except hiredis.ProtocolError as error:
            self.abort(f"the answer cannot be read: {error}")
        except Exception:
            # What a listener did not finish it is told of anew, after the reconnect.
            log.exception("a message could not be handled")
            self.abort("a message could not be handled")

    def eof_received(self) -> None:
        self.problem = self.problem or "the server hung up"

    def connection_lost(self, error: Exception | None) -> None:
        self.problem = self.problem or str(error or "the connection was lost")
        self.lost.set()

    def _answered(self, reply: Any) -> None:
        if isinstance(reply, list):
            if reply[0] == b"ssubscribe":
                self._confirmed(reply[1])
            elif reply[0] == b"sunsubscribe":
                self._dropped(reply[1])
        elif isinstance(reply, Exception):
            # As when a slot moved to another server.
            self.abort(str(reply))
