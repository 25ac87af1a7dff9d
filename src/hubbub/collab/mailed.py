"""A log for documents whose store tells nobody of what is appended: the nodes tell each other, by mail."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from hubbub.collab.archive import answer
from hubbub.ports import Append, Appended, DocumentLog, Mailbox, Page, Refused, Sink
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.collab")

_MOST = 256 * 1024
"""Bytes of records in one letter; more are read from the log."""


class _Told(Struct, array_like=True):
    """Records of a log; none where there were too many for a letter."""

    epoch: str
    entries: Sequence[tuple[int, bytes]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Told).decode


class MailedLog:
    """Implements `SharedLog` and `DocumentLog` over a log that several nodes append to, as one on PostgreSQL.

    A letter may be lost: who follows looks at a log that was silent for long.
    """

    dense = True

    def __init__(self, log: DocumentLog, mailbox: Mailbox) -> None:
        self._log = log
        self._mailbox = mailbox
        self._sinks: dict[str, list[Sink]] = {}

    @property
    def conditional(self) -> bool:
        return self._log.conditional

    def append(self, batch: Sequence[Append]) -> Awaitable[Sequence[Appended | Refused]]:
        # Given to the log now: the order is that of the calls.
        return self._tell(batch, self._log.append(batch))

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Awaitable[Page]:
        return answer(self._log.read(log, after=after, before=before, limit=limit, newest=newest))

    def head(self, log: str) -> Awaitable[Position]:
        return answer(self._log.head(log))

    def trim(self, log: str, upto: int) -> Awaitable[None] | None:
        return self._log.trim(log, upto)

    async def follow(self, log: str, sink: Sink) -> Position:
        sinks = self._sinks.setdefault(log, [])
        if sink not in sinks:
            sinks.append(sink)
        await answer(self._mailbox.open(_topic_of(log), partial(self._received, log)))
        return await answer(self._log.head(log))

    def unfollow(self, log: str, sink: Sink) -> None:
        sinks = self._sinks.get(log, [])
        if sink in sinks:
            sinks.remove(sink)
            if not sinks:
                del self._sinks[log]
                self._mailbox.leave(_topic_of(log))

    def forget(self, session: str) -> None:
        self._log.forget(session)

    def close(self) -> Awaitable[None] | None:
        return self._log.close()

    async def _tell(self, batch: Sequence[Append], appending: Any) -> Sequence[Appended | Refused]:
        results: Sequence[Appended | Refused] = await answer(appending)
        news: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
        for item, result in zip(batch, results, strict=True):
            if isinstance(result, Appended) and not result.repeated:
                news.setdefault((item.log, result.epoch), []).append((result.offset, item.record))
        for (name, epoch), entries in news.items():
            size = sum(len(record) for _, record in entries)
            self._mailbox.send(_topic_of(name), _encode(_Told(epoch, entries if size <= _MOST else ())))
        return results

    def _received(self, name: str, letter: bytes) -> None:
        try:
            told = _decode(letter)
        except msgspec.MsgspecError as error:
            log.warning("a letter about %s cannot be read: %s", name, error)
            return
        for sink in tuple(self._sinks.get(name, ())):
            if told.entries:
                sink.arrived(name, told.epoch, told.entries)
            else:
                sink.interrupted(name)


def _topic_of(log: str) -> str:
    return f"log@{log}"
