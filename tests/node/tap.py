"""A shared log that hands records on when a test says so, and people on nodes that follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import hubbub
from hubbub.backends.memory.log import MemoryLog
from hubbub.backends.memory.shared import SharedMemoryLog
from hubbub.delivery.retention import Retention, RetentionPolicy
from hubbub.ports import Append, Page, Sink
from hubbub.protocol.payloads import Position
from tests.node.peers import Peer


class Tap(SharedMemoryLog):
    """Hands records on when the test says so, and counts what is asked of it."""

    def __init__(self, retention: Retention | None = None) -> None:
        clock = asyncio.get_running_loop().time
        self.records = MemoryLog(clock=clock, retention=RetentionPolicy(retention or Retention()))
        super().__init__(self.records)
        self.reads = 0
        self.follows: list[str] = []
        self.unfollows: list[str] = []
        self.is_away = False
        self.is_deaf = False

    async def read(self, log: str, **query: Any) -> Page:
        self.reads += 1
        self._require()
        return await super().read(log, **query)

    async def follow(self, log: str, sink: Sink) -> Position:
        self._require()
        self.follows.append(log)
        return await super().follow(log, sink)

    def unfollow(self, log: str, sink: Sink) -> None:
        self.unfollows.append(log)
        super().unfollow(log, sink)

    async def append(self, batch: Sequence[Append]) -> Any:
        self._require()
        return await super().append(batch)

    def wipe(self) -> None:
        """All is lost, and another log begins under each name."""
        self.records = self._log = MemoryLog(clock=asyncio.get_running_loop().time)

    def sinks(self, log: str) -> list[Sink]:
        return list(self._sinks.get(log, ()))

    def _tell(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        if not self.is_deaf:
            super()._tell(log, epoch, entries)

    def _require(self) -> None:
        if self.is_away:
            raise ConnectionError("the server is away")


async def begin(log: Tap, name: str) -> hubbub.Hubbub:
    loop = asyncio.get_running_loop()
    app = hubbub.Hubbub(anonymous=True, node=name, log=log, clock=loop.time)
    await app.start(listen=False)
    return app


async def begin_two(log: Tap) -> tuple[Peer, Peer]:
    """ann on one node and bob on another, in one room."""
    ann, bob = Peer(await begin(log, "a"), "ann"), Peer(await begin(log, "b"), "bob")
    await ann.begin("den")
    await bob.begin("den")
    return ann, bob


async def appended(log: Tap, content: str) -> None:
    """A record that a third node published."""
    body = (
        f'{{"type":"text","messageId":"00000000-0000-4000-8000-0000000000{content:0>2}","timestamp":1,'
        f'"sender":"cy","channel":"room:den","payload":{{"content":"{content}"}}}}'
    )
    await log.append([Append("room:den", body.encode())])
