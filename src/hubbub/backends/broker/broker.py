"""The broker: a process's stores, served to the workers beside it over a Unix socket."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Coroutine
from inspect import isawaitable
from pathlib import Path
from typing import Any

from msgspec import Raw

from hubbub.backends.broker.desk import Desk, Stores
from hubbub.backends.broker.frames import (
    Answer,
    Failure,
    Incoming,
    Interrupted,
    Outgoing,
    Posted,
    Request,
    decode_request,
    encode,
)

log = logging.getLogger("hubbub.broker")

_MAX_UNDER_WAY = 1000
"""Requests of one worker that wait for a store; then it is not read."""

_MAX_UNSENT = 16 * 1024 * 1024
"""Bytes unsent to one worker above which it is told no news, and not read."""


class Broker:
    """Listens in a folder that is its user's alone; whoever can open the socket may do everything."""

    def __init__(self, stores: Stores, *, max_unsent: int = _MAX_UNSENT) -> None:
        self._desk = Desk(stores)
        self._max_unsent = max_unsent
        self._server: asyncio.Server | None = None
        self.workers: set[Worker] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Listens at `path`, which must not be there yet, and which only its owner may open."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._make, str(path))
        os.chmod(path, 0o600)  # noqa: PTH101

    async def stop(self) -> None:
        """Hangs up. The stores are whoever's that made them."""
        if self._server is not None:
            self._server.close()
        for worker in list(self.workers):
            worker.hang_up()
        while self.tasks:
            await asyncio.wait(self.tasks)

    def _make(self) -> Worker:
        worker = Worker(self, self._desk, self._max_unsent)
        self.workers.add(worker)
        return worker

    def gone(self, worker: Worker) -> None:
        self.workers.discard(worker)
        self._desk.left(worker)

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class Worker(asyncio.Protocol):
    """One worker's connection. Implements `hubbub.backends.broker.desk.Client`."""

    def __init__(self, broker: Broker, desk: Desk, max_unsent: int) -> None:
        self._broker = broker
        self._desk = desk
        self._max_unsent = max_unsent
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._is_gone = False
        self._incoming = Incoming()
        self._outgoing = Outgoing(lambda: self._loop.call_soon(self._flush))
        self._under_way = 0
        self._is_behind = False
        """It does not read what it is sent."""
        self._missed: dict[str, None] = {}
        """Logs whose news it was not told."""

    def event(self, log: str, body: bytes) -> None:
        if self._is_behind:
            self._missed[log] = None
        else:
            self._outgoing.add(body)

    def post(self, topic: str, message: bytes) -> None:
        if not self._is_behind:
            self._outgoing.add(encode(Posted(topic, message)))

    def hang_up(self) -> None:
        self._flush()
        self._transport.close()

    # --- The socket's ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=self._max_unsent)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._incoming.feed(data):
                self._handle(decode_request(body))
        except Exception:
            # It is this program's own worker: one that cannot be understood is of another version, or broken.
            log.exception("a worker cannot be understood")
            self._transport.abort()

    def pause_writing(self) -> None:
        self._is_behind = True
        self._choose_reading()

    def resume_writing(self) -> None:
        self._is_behind = False
        missed, self._missed = self._missed, {}
        for name in missed:
            self._outgoing.add(encode(Interrupted(name)))
        self._choose_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._broker.gone(self)

    def _flush(self) -> None:
        data = self._outgoing.take()
        if data and not self._is_gone:
            self._transport.write(data)

    # --- Requests --------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> None:
        try:
            result = self._desk.answer(self, request.method, request.args)
        except Exception as error:
            self._fail(request, error)
            return
        if isawaitable(result):
            self._under_way += 1
            self._choose_reading()
            self._broker.start_task(self._answer_later(request, result))
        else:
            self._answer(request, result)

    async def _answer_later(self, request: Request, result: Awaitable[Any]) -> None:
        try:
            self._answer(request, await result)
        except Exception as error:
            self._fail(request, error)
        finally:
            self._under_way -= 1
            self._choose_reading()

    def _answer(self, request: Request, result: Any) -> None:
        if request.number:
            self._outgoing.add(encode(Answer(request.number, Raw(encode(result)))))

    def _fail(self, request: Request, error: Exception) -> None:
        log.error("%s failed", request.method, exc_info=error)
        if request.number:
            self._outgoing.add(encode(Failure(request.number, f"{request.method}: {error}")))

    def _choose_reading(self) -> None:
        """It is read when it takes what it is sent, and does not ask for more than can be answered."""
        if self._is_gone or self._transport.is_closing():
            return
        if self._is_behind or self._under_way >= _MAX_UNDER_WAY:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
