"""History queries: a log is scanned, stretch by stretch, for what a channel's readers would have got."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubbub.hub.arrival import channel_of
from hubbub.hub.audience import unseal
from hubbub.hub.journal import Stretch
from hubbub.protocol.channels import Channel, topic_matches
from hubbub.protocol.limits import MAX_HISTORY
from hubbub.protocol.messages import HistoryMessage, Message
from hubbub.protocol.payloads import History

if TYPE_CHECKING:
    from hubbub.hub.hub import Hub

_STRETCH = 500
_MAX_BYTES = 512 * 1024


class HistoryQuery:
    """One query on its way. With `after` it takes the oldest, otherwise the newest; the answer ascends."""

    def __init__(
        self, hub: Hub, channel: Channel, query: History, then: Callable[[HistoryMessage | None], None]
    ) -> None:
        self._hub = hub
        self._channel = channel
        self._then = then
        self._newest = query.after is UNSET
        self._after: int = 0 if query.after is UNSET else query.after
        self._before: int | None = None if query.before is UNSET else query.before
        self._limit = MAX_HISTORY if query.limit is UNSET else min(query.limit, MAX_HISTORY)
        self._found: list[Message] = []
        self._size = 0

    def run(self) -> None:
        self._hub.journal.read(
            self._channel.log,
            self._arrived,
            after=self._after,
            before=self._before,
            limit=_STRETCH,
            newest=self._newest,
        )

    def _arrived(self, page: Stretch | None) -> None:
        if page is None:
            self._then(None)
            return
        covered = page.oldest <= self._after + 1
        for offset, record in reversed(page.entries) if self._newest else page.entries:
            _, body = unseal(record)
            if not self._is_wanted(body):
                continue
            if len(self._found) >= self._limit or self._size > _MAX_BYTES:
                self._answer(page.epoch, complete=False)
                return
            self._found.append(self._hub.wire.decode_record(body, offset))
            self._size += len(body)
        if page.complete or not page.entries:
            self._answer(page.epoch, complete=covered)
        elif self._newest:
            self._before = page.entries[0][0]
            self.run()
        else:
            self._after = page.entries[-1][0]
            self.run()

    def _is_wanted(self, body: bytes) -> bool:
        if self._channel.kind != "topic":
            return True
        channel = channel_of(body).channel
        return channel == self._channel.text or topic_matches(self._channel.text, channel)

    def _answer(self, epoch: str, *, complete: bool) -> None:
        if self._newest:
            self._found.reverse()
        self._then(
            HistoryMessage(
                channel=self._channel.text,
                messages=self._found,
                payload=History(epoch=epoch, complete=complete),
            )
        )
