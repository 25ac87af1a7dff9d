"""Consumers of whole channels on the server: read from the log at their own pace, processed in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypedDict, Unpack

from hubbub.app.batches import BatchQueue, failure_of
from hubbub.app.readers import LogReader
from hubbub.errors import HubbubError, MessagesMissed
from hubbub.hub.hub import Hub
from hubbub.protocol.messages import Message

log = logging.getLogger("hubbub.batches")

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
