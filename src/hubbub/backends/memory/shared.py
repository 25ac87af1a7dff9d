"""The log in memory for several nodes of one process: what a shared log is, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from hubbub.backends.memory.log import MemoryLog
from hubbub.ports import Append, Appended, Page, Refused, Sink
from hubbub.protocol.payloads import Position


class SharedMemoryLog:
    """Implements `SharedLog` and `DocumentLog` over one `MemoryLog`, which every node of the process is given.

    Answers and records come in later turns of the loop, as over a network, in the order of the appends.
    """

    dense = True
    conditional = True

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._sinks: dict[str, list[Sink]] = {}

    def append(self, batch: Sequence[Append]) -> Awaitable[Sequence[Appended | Refused]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Appended | Refused]] = loop.create_future()
        loop.call_soon(self._append, batch, answer)
        return answer

    async def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page:
        await asyncio.sleep(0)
        return self._log.read(log, after=after, before=before, limit=limit, newest=newest)

    async def head(self, log: str) -> Position:
        await asyncio.sleep(0)
        return self._log.head(log)

    async def follow(self, log: str, sink: Sink) -> Position:
        await asyncio.sleep(0)
        sinks = self._sinks.setdefault(log, [])
        if sink not in sinks:
            sinks.append(sink)
        return self._log.head(log)

    def unfollow(self, log: str, sink: Sink) -> None:
        sinks = self._sinks.get(log, [])
        if sink in sinks:
            sinks.remove(sink)
            if not sinks:
                del self._sinks[log]

    def trim(self, log: str, upto: int) -> None:
        self._log.trim(log, upto)

    def forget(self, session: str) -> None:
        self._log.forget(session)

    def close(self) -> None:
        """The other nodes go on with it."""

    def _append(self, batch: Sequence[Append], answer: asyncio.Future[Sequence[Appended | Refused]]) -> None:
        loop = asyncio.get_running_loop()
        results = self._log.append(batch)
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Appended) and not result.repeated:
                loop.call_soon(self._tell, item.log, result.epoch, ((result.offset, item.record),))
        if not answer.done():
            answer.set_result(results)

    def _tell(self, log: str, epoch: str, entries: Sequence[tuple[int, bytes]]) -> None:
        """Whoever follows by now."""
        for sink in tuple(self._sinks.get(log, ())):
            sink.arrived(log, epoch, entries)
