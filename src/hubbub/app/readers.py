"""A position of the application's own in a log: read at its own pace, and told what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from msgspec import UNSET

from hubbub.errors import HubbubError, MessagesMissed
from hubbub.hub.audience import unseal
from hubbub.hub.hub import Hub
from hubbub.hub.journal import Stretch
from hubbub.protocol.channels import Channel, parse_channel, topic_matches
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.app")

T = TypeVar("T")

_STRETCH = 128


class LogReader:
    """A channel or topic pattern, read from its log. Its position is `offset`, and it alone moves it.

    `open`, then `read` until that returns None, which it does after a `finish`; then `close`.
    """

    def __init__(self, hub: Hub, channel: str) -> None:
        self._hub = hub
        self._wanted = parse_channel(channel)
        self._epoch = ""
        self.offset = 0
        self.end: Position | None = None
        """Where reading ends; None while it goes on for ever."""
        self._arrived = asyncio.Event()
        self._heard = 0
        self._passed = 0
        self._stop: Callable[[], None] | None = None

    async def open(self) -> None:
        """Takes the head of the log as its position. Raises `HubbubError` when that cannot be had."""
        # Listening comes first: nothing is to be committed unheard between the two.
        self._stop = self._hub.listen(self._wanted.text, self._hear, self._arrived.set)
        try:
            head = await self._head()
        except BaseException:
            self.close()
            raise
        self._epoch, self.offset = head.epoch, head.offset

    async def read(self) -> list[tuple[int, Message]] | None:
        """The next messages with their offsets; waits until there are some. None at the end.

        Raises `MessagesMissed`, once for each loss: read on. When the log began anew, the reason is `epoch`, and
        the range ends at the last offset that was heard of. Raises `HubbubError` when the log cannot be read now.
        """
        while True:
            # Looked at before the log is: a page that was on its way when the end was set may not reach it.
            end = self.end
            if end is not None and end.epoch == self._epoch and self.offset >= end.offset:
                return None
            self._arrived.clear()
            page = await self._page()
            self._follow(page)
            messages = self._decode(page)
            if messages:
                return messages
            if page.complete:
                if end is not None:
                    return None
                await self._arrived.wait()

    async def finish(self) -> None:
        """Reading ends where the log's head is now. Raises `HubbubError` when that cannot be had."""
        self.end = await self._head()
        self._arrived.set()

    def close(self) -> None:
        """Listens no more. Harmless twice."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def _hear(self, message: Message) -> None:
        if message.offset is not UNSET:
            self._heard = max(self._heard, message.offset)
        self._arrived.set()

    def _follow(self, page: Stretch) -> None:
        """Raises `MessagesMissed` when the page does not go on where the position is; each loss once."""
        if page.epoch != self._epoch or page.head < self.offset:
            last, heard = self.offset, self._heard
            self._epoch, self.offset, self._heard, self._passed = page.epoch, 0, 0, 0
            # A log that nobody wrote to has nothing to lose.
            if last > 0:
                self._passed = page.oldest - 1
                raise MessagesMissed(self._wanted.text, last + 1, max(last, heard), "epoch")
        known = max(self.offset, self._passed)
        if page.oldest > known + 1:
            # The position stays: a log that conflates may keep some that are older than what it lost.
            self._passed = page.oldest - 1
            raise MessagesMissed(self._wanted.text, known + 1, self._passed)

    def _decode(self, page: Stretch) -> list[tuple[int, Message]]:
        messages = []
        for offset, record in page.entries:
            self.offset = offset
            try:
                message = self._hub.wire.decode_record(unseal(record)[1], offset)
            except Exception:
                # Of a type that is registered no more, say. The others are not to wait for it.
                log.exception("record %d of %s cannot be decoded, and is left out", offset, self._wanted.log)
                continue
            if _is_wanted(self._wanted, message):
                messages.append((offset, message))
        if page.complete:
            self.offset = max(self.offset, page.head)
        return messages

    async def _head(self) -> Position:
        future: asyncio.Future[Position | None] = asyncio.get_running_loop().create_future()
        self._hub.journal.head(self._wanted.log, partial(_settle, future))
        head = await future
        if head is None:
            raise HubbubError(f"the log {self._wanted.log} cannot be had now")
        return head

    async def _page(self) -> Stretch:
        future: asyncio.Future[Stretch | None] = asyncio.get_running_loop().create_future()
        self._hub.journal.read(self._wanted.log, partial(_settle, future), after=self.offset, limit=_STRETCH)
        page = await future
        if page is None:
            raise HubbubError(f"the log {self._wanted.log} cannot be read now")
        return page


def _settle(future: asyncio.Future[T], answer: T) -> None:
    # Whoever asked may have been cancelled in the meantime.
    if not future.done():
        future.set_result(answer)


def _is_wanted(channel: Channel, message: Message) -> bool:
    name = str(message.channel)
    return name == channel.text or (channel.is_pattern and topic_matches(channel.text, name))
