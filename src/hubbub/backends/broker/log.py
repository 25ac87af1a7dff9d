"""The broker's logs, as a worker has them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from hubbub.backends.broker.frames import Arrived
from hubbub.backends.broker.link import BrokerLink
from hubbub.ports import Append, Appended, Page, Refused, Sink
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.broker")


class Outcome(Struct, array_like=True):
    """What became of an append: `Appended`, or `Refused` where there is a code."""

    epoch: str = ""
    offset: int = 0
    repeated: bool = False
    code: str = ""
    reason: str = ""


_decode_none = msgspec.msgpack.Decoder(None).decode
_decode_outcomes = msgspec.msgpack.Decoder(list[Outcome]).decode
_decode_page = msgspec.msgpack.Decoder(Page).decode
_decode_position = msgspec.msgpack.Decoder(Position).decode


class BrokerLog:
    """Implements `SharedLog`, and `DocumentLog` as the broker's does. Closing it is its link's business."""

    dense = True
    conditional = True

    def __init__(self, link: BrokerLink) -> None:
        self._link = link
        self._sinks: dict[str, list[Sink]] = {}
        link.on_arrived = self._arrived
        link.on_interrupted = self._interrupted

    async def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused]:
        return await self._link.ask("append", (batch,), _results)

    async def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page:
        return await self._link.ask("read", (log, after, before, limit, newest), _decode_page)

    async def head(self, log: str) -> Position:
        return await self._link.ask("head", (log,), _decode_position)

    async def follow(self, log: str, sink: Sink) -> Position:
        sinks = self._sinks.setdefault(log, [])
        if sink not in sinks:
            sinks.append(sink)
        return await self._link.ask("follow", (log,), _decode_position)

    def unfollow(self, log: str, sink: Sink) -> None:
        sinks = self._sinks.get(log, [])
        if sink in sinks:
            sinks.remove(sink)
            if not sinks:
                del self._sinks[log]
                self._link.tell("unfollow", (log,))

    async def trim(self, log: str, upto: int) -> None:
        await self._link.ask("trim", (log, upto), _decode_none)

    def forget(self, session: str) -> None:
        self._link.tell("forget", (session,))

    def close(self) -> None:
        """The other workers go on with it."""

    def _arrived(self, event: Arrived) -> None:
        for sink in tuple(self._sinks.get(event.log, ())):
            try:
                sink.arrived(event.log, event.epoch, event.entries)
            except Exception:
                log.exception("records of %s were not taken", event.log)

    def _interrupted(self, name: str) -> None:
        for sink in tuple(self._sinks.get(name, ())):
            sink.interrupted(name)


def _results(raw: Raw) -> Sequence[Appended | Refused]:
    return [
        Refused(item.code, item.reason) if item.code else Appended(item.epoch, item.offset, item.repeated)
        for item in _decode_outcomes(raw)
    ]
