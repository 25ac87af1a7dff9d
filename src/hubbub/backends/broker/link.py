"""A worker's connection to the broker, which all its ports share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Raw

from hubbub.backends.broker.frames import (
    Answer,
    Arrived,
    Failure,
    Incoming,
    Interrupted,
    Outgoing,
    Posted,
    Request,
    decode_told,
    encode,
)

log = logging.getLogger("hubbub.broker")

T = TypeVar("T")

MAX_PENDING = 100_000
"""Requests that may wait for an answer: above that the broker counts as away."""

MAX_UNSENT = 64 * 1024 * 1024
"""Bytes of requests that the broker has not read yet, likewise."""


class BrokerLink(asyncio.Protocol):
    """Requests in, answers and events out. Everything that is asked in a turn of the loop goes in one write.

    When the connection ends, what waits is answered with `OSError`, and `lost` is called: the broker is the parent
    process, and does not come back.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self.transport: asyncio.Transport | None = None
        self._incoming = Incoming()
        self._outgoing = Outgoing(self._wake)
        self._pending: dict[int, tuple[asyncio.Future[Any], Callable[[Raw], Any]]] = {}
        self._number = 0
        self._is_closed = False
        self.on_arrived: Callable[[Arrived], None] = lambda event: None
        self.on_interrupted: Callable[[str], None] = lambda log: None
        self.on_posted: Callable[[Posted], None] = lambda event: None

    async def connect(self, path: Path) -> None:
        """Raises `OSError` when there is no broker at `path`."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, str(path))

    def ask(self, method: str, args: tuple[Any, ...], decode: Callable[[Raw], T]) -> asyncio.Future[T]:
        """The answer, as `decode` makes it. Raises `OSError` when the broker is away or far behind."""
        if self.transport is None:
            raise ConnectionError("the broker is gone")
        if len(self._pending) >= MAX_PENDING or self.transport.get_write_buffer_size() >= MAX_UNSENT:
            raise ConnectionError("the broker is far behind")
        self._number += 1
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending[self._number] = future, decode
        self._outgoing.add(encode(Request(self._number, method, Raw(encode(args)))))
        return future

    def tell(self, method: str, args: tuple[Any, ...]) -> None:
        """Without an answer; while the broker is away or far behind it is dropped."""
        if self.transport is not None and self.transport.get_write_buffer_size() < MAX_UNSENT:
            self._outgoing.add(encode(Request(0, method, Raw(encode(args)))))

    def close(self) -> None:
        """What was asked goes out; nothing comes any more."""
        self._is_closed = True
        if self.transport is not None:
            self._flush()
            self.transport.close()

    # --- The socket's ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._incoming.feed(data):
            told = decode_told(body)
            try:
                self._take(told)
            except Exception:
                log.exception("what the broker told was not handled")

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        pending, self._pending = self._pending, {}
        for future, _ in pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the broker is gone"))
        if not self._is_closed:
            self._lost()

    def _take(self, told: Answer | Failure | Arrived | Interrupted | Posted) -> None:
        if isinstance(told, Arrived):
            self.on_arrived(told)
        elif isinstance(told, Posted):
            self.on_posted(told)
        elif isinstance(told, Interrupted):
            self.on_interrupted(told.log)
        else:
            future, decode = self._pending.pop(told.number)
            if future.done():
                return
            if isinstance(told, Failure):
                future.set_exception(OSError(told.reason))
            else:
                future.set_result(decode(told.result))

    def _wake(self) -> None:
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        data = self._outgoing.take()
        if data and self.transport is not None:
            self.transport.write(data)
