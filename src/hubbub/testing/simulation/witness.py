"""What really is in the logs: a log that writes down everything that was appended, and can be unplugged."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

import msgspec
from msgspec import Struct

from hubbub.hub.audience import unseal
from hubbub.ports import Append, Appended, Log, Page, Refused
from hubbub.protocol.payloads import Position


class Record(Struct, frozen=True):
    """A record as it was appended; `place` counts the records of its log, through all epochs."""

    log: str
    epoch: str
    offset: int
    message_id: str
    channel: str
    place: int


class _Head(Struct, rename="camel"):
    message_id: str
    channel: str


_head_of = msgspec.json.Decoder(_Head).decode


class Truth:
    """Every record of every log, in the order it was appended."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.by_id: dict[str, list[Record]] = {}

    def add(self, item: Append, result: Appended) -> None:
        head = _head_of(unseal(item.record)[1])
        records = self.records.setdefault(item.log, [])
        record = Record(item.log, result.epoch, result.offset, head.message_id, head.channel, len(records))
        records.append(record)
        self.by_id.setdefault(head.message_id, []).append(record)

    def count(self, log: str) -> int:
        """How many records the log has had so far."""
        return len(self.records.get(log, ()))


class WitnessedLog:
    """Implements `Log` over another one. `unplug` is the crash: from then on nothing reaches the disk."""

    def __init__(self, inner: Log, truth: Truth) -> None:
        self._inner = inner
        self._truth = truth
        self._is_plugged = True

    @property
    def conditional(self) -> bool:
        return self._inner.conditional

    def unplug(self) -> None:
        self._is_plugged = False

    def append(self, batch: Sequence[Append]) -> Sequence[Appended | Refused] | Awaitable[Sequence[Appended | Refused]]:
        if not self._is_plugged:
            return [Refused("unavailable", "crashed") for _ in batch]
        results = self._inner.append(batch)
        if isawaitable(results):
            return self._witness_later(batch, results)
        return self._witness(batch, results)

    def read(
        self, log: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> Page | Awaitable[Page]:
        return self._inner.read(log, after=after, before=before, limit=limit, newest=newest)

    def head(self, log: str) -> Position | Awaitable[Position]:
        return self._inner.head(log)

    def trim(self, log: str, upto: int) -> Awaitable[None] | None:
        """For a log of documents."""
        trim: Callable[[str, int], Awaitable[None] | None] = self._inner.trim  # type: ignore[attr-defined]
        return trim(log, upto) if self._is_plugged else None

    def forget(self, session: str) -> None:
        if self._is_plugged:
            self._inner.forget(session)

    def close(self) -> Awaitable[None] | None:
        return self._inner.close()

    def _witness(self, batch: Sequence[Append], results: Sequence[Appended | Refused]) -> Sequence[Appended | Refused]:
        for item, result in zip(batch, results, strict=True):
            # A document is judged by its text.
            if isinstance(result, Appended) and not result.repeated and not item.log.startswith("doc:"):
                self._truth.add(item, result)
        return results

    async def _witness_later(
        self, batch: Sequence[Append], results: Awaitable[Sequence[Appended | Refused]]
    ) -> Sequence[Appended | Refused]:
        return self._witness(batch, await results)
