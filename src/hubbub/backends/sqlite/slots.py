"""Places for a result that comes later, or that is there at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Generic, TypeVar

from hubbub.errors import TryLater

T = TypeVar("T")


class Now(Generic[T]):
    """As much of a future as is needed where nobody waits: it must be filled before it is looked at."""

    def __init__(self) -> None:
        self._result: T
        self._error: Exception | None = None
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: T) -> None:
        self._result = result
        self._done = True

    def set_exception(self, error: Exception) -> None:
        self._error = error
        self._done = True

    def result(self) -> T:
        assert self._done, "nothing is executed later"
        if self._error is not None:
            raise self._error
        return self._result


Slot = asyncio.Future[T] | Now[T]


def fill(slot: Slot[T], outcome: T | TryLater) -> None:
    """Puts a result there, or an error to be raised; nothing if whoever waited gave up."""
    if slot.done():
        return
    if isinstance(outcome, TryLater):
        slot.set_exception(outcome)
    else:
        slot.set_result(outcome)


def hand_over(slot: Slot[T]) -> T | Awaitable[T]:
    """What the caller gets: the result itself, or the future."""
    return slot.result() if isinstance(slot, Now) else slot
