"""A partition that this node needs: how far it has come here, and the logs in it that are followed."""

from __future__ import annotations

import asyncio

from hubbub.backends.kafka.tail import Tail
from hubbub.ports import Sink


class Followed:
    """A log that somebody here follows."""

    __slots__ = ("sinks", "tail")

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self.sinks: list[Sink] = []


class Partition:
    """Offsets count from 1. Nothing of it is to be relied on before `opened` is done."""

    __slots__ = ("_waiting", "error", "followed", "number", "opened", "settled", "turn", "used")

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.settled = 0
        """Everything up to this offset has come."""
        self.turn = 0
        """In which turn of the consumer it is followed; 0 before it is."""
        self.followed: dict[str, Followed] = {}
        self.used = now
        """When somebody last needed it."""
        self.error: OSError | None = None
        """Why it is given up, if it is."""
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def advance(self, settled: int) -> None:
        """Everything up to this offset has come: whoever waited for that goes on."""
        self.settled = max(self.settled, settled)
        if self._waiting:
            self._waiting = [waiting for waiting in self._waiting if not self._answer(*waiting)]

    async def reach(self, offset: int) -> None:
        """Waits until everything up to this offset has come. Raises `OSError` when the partition is given up."""
        if self.error is not None:
            raise self.error
        if self.settled >= offset:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((offset, future))
        await future

    def give_up(self, error: OSError) -> None:
        """It is not followed any more: nobody is to wait for it."""
        self.error = error
        for future in (self.opened, *(future for _, future in self._waiting)):
            if not future.done():
                future.set_exception(error)
                # It may be that nobody waits.
                future.exception()
        self._waiting = []

    def _answer(self, offset: int, future: asyncio.Future[None]) -> bool:
        if self.settled < offset:
            return False
        if not future.done():
            future.set_result(None)
        return True
