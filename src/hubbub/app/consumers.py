"""Consumers of whole channels on the server: read from the log at their own pace, processed in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict, TypeVar, Unpack

from msgspec import UNSET

from hubbub.app.batches import BatchQueue, failure_of
from hubbub.errors import HubbubError, MessagesMissed
from hubbub.hub.audience import unseal
from hubbub.hub.hub import Hub
from hubbub.hub.journal import Stretch
from hubbub.protocol.channels import Channel, parse_channel, topic_matches
from hubbub.protocol.messages import Message
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.batches")

T = TypeVar("T")

_STRETCH = 128
_PAUSE = 1.0
"""Seconds after which a log that could not be read is tried again."""


class QueueOptions(TypedDict, total=False):
    """Those of `BatchQueue`, with its defaults: times in seconds, `limit` in messages that are held in memory."""

    size: int
    wait: float
    limit: int
    retries: int
    retry_delay: float
    dead_letter: Callable[[list[Message], Exception], Any] | None


class BatchOptions(QueueOptions, total=False):
    """What can be said of a batch consumer."""

    missed: Callable[[MessagesMissed], Any] | None


class BatchConsumer:
    """Hands every message of a channel or topic pattern to `process(messages)`, in order and in batches.

    It has a position in the log and reads from there into a `BatchQueue`, whose options it takes: while
    `process` is slow the queue is full, and what comes waits in the log. Falls it so far behind that the log no
    longer has what comes next, that is logged, `missed(error)` (async or not) is called with the `MessagesMissed`,
    and it goes on with the oldest that is kept. Messages between `start` and `drain` are processed at least once;
    the position is not kept beyond that.
    """

    def __init__(
        self,
        hub: Hub,
        channel: str,
        process: Callable[[list[Message]], Any],
        *,
        missed: Callable[[MessagesMissed], Any] | None = None,
        **options: Unpack[QueueOptions],
    ) -> None:
        self._reader = LogReader(hub, channel)
        self._channel = channel
        self._missed = missed
        self._queue = BatchQueue(process, name=f"the batch consumer of {channel}", **options)
        self._task: asyncio.Task[None] | None = None
        # The offset of the message that waits for its place in the queue: the reader is a stretch ahead.
        self._putting: int | None = None

    async def start(self) -> None:
        """Takes its position at the head of the log: what is published from now on is processed.

        Raises `HubbubError` when the log cannot be had. `drain` ends it.
        """
        await self._reader.open()
        self._queue.start()
        self._task = asyncio.get_running_loop().create_task(self._read_on(), name=f"hubbub reader of {self._channel}")

    # Not the caller's `asyncio.timeout`: that would leave what is not processed in time to nobody.
    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Reads on to where the log's head is now, and returns when all of it is processed or dead.

        After `timeout` seconds what is in the queue goes to `dead_letter`, as `BatchQueue.drain` says, and what
        is still in the log is reported as missed. Call it while the log can be read. Harmless twice, and before
        the start.
        """
        task, self._task = self._task, None
        if task is None:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(timeout):
                await self._reader.finish()
                await asyncio.wait({task})
        except Exception as error:
            log.error("%s was not read to its end: %s", self._channel, str(error) or "it took too long")
            task.cancel()
            await asyncio.wait({task})
        self._reader.close()
        first = self._reader.offset + 1 if self._putting is None else self._putting
        # Where the log ends is not known when it cannot be had; how far it was read is.
        last = self._reader.offset if self._reader.end is None else self._reader.end.offset
        if last >= first:
            await self._report(MessagesMissed(self._channel, first, last, "shutdown"))
        await self._queue.drain(None if timeout is None else max(0.0, began + timeout - loop.time()))

    async def _read_on(self) -> None:
        while True:
            try:
                messages = await self._reader.read()
            except MessagesMissed as error:
                await self._report(error)
                continue
            except Exception as error:
                log.error("%s cannot be read, again in %g s", self._channel, _PAUSE, exc_info=error)
                await asyncio.sleep(_PAUSE)
                continue
            if messages is None:
                return
            for self._putting, message in messages:
                try:
                    await self._queue.put(message)
                except HubbubError:
                    log.error("%s is read no more: its queue was ended by someone else", self._channel)
                    return
            self._putting = None

    async def _report(self, error: MessagesMissed) -> None:
        log.error("the batch consumer of %s: %s", self._channel, error)
        if self._missed is not None:
            failure = await failure_of(self._missed, error)
            if failure is not None:
                log.error("the callback for what %s missed failed", self._channel, exc_info=failure)


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
