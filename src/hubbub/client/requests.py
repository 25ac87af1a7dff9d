"""Requests under way: each waits for the answer that carries its message id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubbub.errors import ConnectionClosed, HubbubError, OutcomeUnknown, TryLater
from hubbub.protocol.messages import Message

MAX_PENDING = 1000


class PendingRequests:
    """At most 1000 at a time; one that is not answered in `patience` seconds has an unknown outcome."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    async def ask(self, message_id: str, send: Callable[[], None]) -> Message:
        """Sends, and returns the answer.

        Raises the `ProtocolError` that answers it, `OutcomeUnknown`, or `TryLater` (`too_many_pending`).
        """
        if len(self._waiting) >= MAX_PENDING:
            raise TryLater("too_many_pending", f"{MAX_PENDING} requests wait for answers", retry_after_ms=1000)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = future
        try:
            send()
            async with asyncio.timeout(self._patience):
                return await future
        except TimeoutError:
            raise OutcomeUnknown(message_id) from None
        finally:
            self._waiting.pop(message_id, None)

    def answer(self, message_id: str, outcome: Message | HubbubError) -> bool:
        """Hands the answer to who waits for it; False when nobody does."""
        future = self._waiting.get(message_id.lower()) or self._waiting.get(message_id)
        if future is None or future.done():
            return False
        if isinstance(outcome, HubbubError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return True

    def fail(self, error: ConnectionClosed) -> None:
        """The connection ended: what was asked may or may not have happened."""
        for message_id, future in self._waiting.items():
            if not future.done():
                unknown = OutcomeUnknown(message_id)
                unknown.__cause__ = error
                future.set_exception(unknown)
