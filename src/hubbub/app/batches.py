"""A queue that processes what is put into it in batches, and makes its producers wait when it is full."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from inspect import isawaitable
from types import TracebackType
from typing import Any, Generic, TypeVar

from hubbub.delivery.batching import Batcher
from hubbub.errors import HubbubError

log = logging.getLogger("hubbub.batches")

T = TypeVar("T")

_LAST_WORDS = 5.0
"""Seconds that `dead_letter` gets for what a drain could not process."""


class BatchQueue(Generic[T]):
    """Hands what is put into it to `process(items)`, in order and one batch at a time.

    A batch goes when `size` items wait, or `wait` seconds after the first of them. One whose `process` raises
    is repeated after `retry_delay` seconds, twice as long each time up to 30 s, and nothing overtakes it. After
    `retries` repeats it goes to `dead_letter(items, error)`; without one it is logged and lost. Both may be
    async; when they are not they must not block, for the loop waits with them. `process` may get the same items
    again after it did a part of them, so it must bear repeats. It must not wait in `put` for its own queue.

    At most `limit` items are held, the batch under way counted: above that `put` waits. What is put before the
    start waits for it. Works as `async with`, which drains at the end however it ended, or by `start` and
    `drain`, once. All of it belongs to one event loop.
    """

    def __init__(
        self,
        process: Callable[[list[T]], Any],
        *,
        size: int = 10,
        wait: float = 0.05,
        limit: int = 1000,
        retries: int = 3,
        retry_delay: float = 0.1,
        dead_letter: Callable[[list[T], Exception], Any] | None = None,
        name: str = "a batch queue",
    ) -> None:
        self._batcher: Batcher[T] = Batcher(size=size, wait=wait, limit=limit, retries=retries, retry_delay=retry_delay)
        self._process = process
        self._dead_letter = dead_letter
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        # Producers that wait, first come first served. True gives one its place, False says that there is none.
        self._turns: deque[asyncio.Future[bool]] = deque()
        self._given = 0
        self._given_up = False
        self._rung = 0.0

    def __len__(self) -> int:
        """Items that are not processed, those of the batch under way counted."""
        return len(self._batcher)

    async def put(self, item: T) -> None:
        """The item is in the queue. Waits while that is full; cancelled while it waits, the item is not in it.

        Raises `HubbubError` once the queue is drained.
        """
        if not self._batcher.is_closed and not self._has_room():
            turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._turns.append(turn)
            try:
                has_place = await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    with suppress(ValueError):
                        self._turns.remove(turn)
                elif turn.result():
                    # It got its place in the very turn of the loop in which it was cancelled: the next one's.
                    self._given -= 1
                    self._give_places()
                raise
            if has_place:
                self._given -= 1
        self._add(item)

    def try_put(self, item: T) -> bool:
        """Puts the item in if there is room, and no other producer waits for it. Returns whether it did.

        Raises `HubbubError` once the queue is drained.
        """
        if not self._batcher.is_closed and not self._has_room():
            return False
        self._add(item)
        return True

    def start(self) -> None:
        """Begins to process, in a task of its own. `drain` ends it."""
        if self._task is not None:
            raise HubbubError(f"{self._name} was started before")
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"hubbub {self._name}")

    # Not the caller's `asyncio.timeout`: that would leave what is not processed in time to nobody.
    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Takes no more, and returns when all that is there is processed or dead. Harmless twice.

        Producers that wait get a `HubbubError`. After `timeout` seconds what still runs is cancelled, and what is
        left goes to `dead_letter` all together; that gets 5 s, so that a stop ends.
        """
        self._close()
        if self._task is None:
            self.start()
        assert self._task is not None
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            self._given_up = True
            self._task.cancel()
            await asyncio.wait({self._task})
        rest = self._batcher.clear()
        if rest:
            error = HubbubError(f"{self._name} ended before this was processed")
            try:
                async with asyncio.timeout(_LAST_WORDS):
                    await self._bury(rest, error)
            except TimeoutError:
                log.error("%s: dead_letter took too long, %d items are lost", self._name, len(rest))

    async def __aenter__(self) -> BatchQueue[T]:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain()

    # --- The producers' side ---------------------------------------------------------------------------

    def _has_room(self) -> bool:
        # While producers wait there is none: every place that comes free is given to one of them at once.
        return len(self._batcher) + self._given < self._batcher.limit

    def _add(self, item: T) -> None:
        if self._batcher.is_closed:
            raise HubbubError(f"{self._name} is closed and takes no more")
        before = self._batcher.deadline
        self._batcher.add(item, asyncio.get_running_loop().time())
        if self._batcher.deadline != before:
            self._changed.set()

    def _give_places(self) -> None:
        while self._turns and self._has_room():
            turn = self._turns.popleft()
            if not turn.done():
                self._given += 1
                turn.set_result(True)

    def _close(self) -> None:
        self._batcher.close()
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(False)
        self._changed.set()

    # --- The task --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        batcher = self._batcher
        try:
            while not self._given_up:
                self._changed.clear()
                # Timers may ring a little early. What one was set for has come, or this would spin until it has.
                now = max(loop.time(), self._rung)
                if batcher.is_due(now):
                    await self._process_batch(batcher.take(now))
                    self._give_places()
                    # Where nothing that is called waits, the rest of the program gets its turn here.
                    await asyncio.sleep(0)
                elif batcher.is_closed and not batcher:
                    return
                else:
                    await self._sleep_until(batcher.deadline)
        finally:
            # Cancelled from elsewhere: nobody is to wait for this task any more.
            self._close()
            if batcher and not self._given_up:
                log.error("%s was cancelled with %d items in it", self._name, len(batcher))

    async def _sleep_until(self, deadline: float | None) -> None:
        """Until the deadline, or until it is another."""
        if deadline is None:
            await self._changed.wait()
            return
        timer = asyncio.get_running_loop().call_at(deadline, self._ring, deadline)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def _ring(self, deadline: float) -> None:
        self._rung = deadline
        self._changed.set()

    async def _process_batch(self, items: list[T]) -> None:
        batcher = self._batcher
        # A copy, so that a `process` that empties its list does not take it from `dead_letter`.
        error = await failure_of(self._process, list(items))
        if error is None:
            batcher.done()
            return
        attempt = batcher.attempt
        delay = batcher.failed(asyncio.get_running_loop().time())
        then = "they are dead" if delay is None else f"again in {delay:.3g} s"
        log.warning("%s: attempt %d at %d items failed, %s", self._name, attempt, len(items), then, exc_info=error)
        if delay is None:
            await self._bury(items, error)
            batcher.done()

    async def _bury(self, items: list[T], error: Exception) -> None:
        if self._dead_letter is None:
            log.error("%s: %d items are lost, for want of a dead_letter", self._name, len(items), exc_info=error)
            return
        failure = await failure_of(self._dead_letter, items, error)
        if failure is not None:
            log.error("%s: dead_letter failed, %d items are lost", self._name, len(items), exc_info=failure)


async def failure_of(function: Callable[..., Any], *arguments: Any) -> Exception | None:
    """Calls it, waits where there is something to wait for, and returns what it raised."""
    try:
        result = function(*arguments)
        if isawaitable(result):
            await result
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this task: what the function waited for was cancelled, which is a failure like others.
        failure = HubbubError("what it waited for was cancelled")
        failure.__cause__ = cancelled
        return failure
    except Exception as error:
        return error
    return None
