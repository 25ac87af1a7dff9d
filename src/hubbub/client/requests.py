"""Requests under way: each waits for the answer that carries its message id."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from msgspec import UNSET

from hubbub.client.alarm import Alarm
from hubbub.delivery.retransmission import Retransmission, too_many
from hubbub.errors import HubbubError, OutcomeUnknown, ProtocolError
from hubbub.protocol.messages import AckMessage, Message

NONE: frozenset[str] = frozenset()


class Request:
    """A message that wants an answer.

    `repeatable`: asking twice does no harm, so that it is asked again over the next connection. `forgiven` are
    the codes that then mean no more than that the first one had been heard.
    """

    __slots__ = ("asked", "forgiven", "future", "message", "on_answer", "repeatable", "sent_at")

    def __init__(
        self,
        message: Message,
        future: asyncio.Future[Message],
        *,
        repeatable: bool = False,
        forgiven: frozenset[str] = NONE,
        on_answer: Callable[[Message], None] | None = None,
    ) -> None:
        self.message = message
        self.future = future
        self.repeatable = repeatable
        self.forgiven = forgiven
        self.on_answer = on_answer
        """Called when it succeeds, before anything that came behind the answer is looked at."""
        self.asked = 0
        self.sent_at = 0.0


class Requests:
    """At most `limit` at a time. Without a connection they wait for one, and their patience waits with them."""

    def __init__(self, transmit: Callable[[Message], None], *, patience: float, limit: int) -> None:
        """`patience` in seconds, of connected time."""
        self._loop = asyncio.get_running_loop()
        self._transmit = transmit
        self._limit = limit
        self._table: Retransmission[Request] = Retransmission(timeout=patience, retries=0, limit=sys.maxsize)
        self._table.stand(self._loop.time())
        self._alarm = Alarm(self._expire)
        self._is_open = False
        self._ended: HubbubError | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when something begins or ceases to be awaited."""

    def __len__(self) -> int:
        return len(self._table)

    async def ask(
        self,
        message: Message,
        *,
        repeatable: bool = False,
        forgiven: frozenset[str] = NONE,
        on_answer: Callable[[Message], None] | None = None,
    ) -> Message:
        """Sends, and returns the answer; for a forgiven refusal an ack without anything in it.

        Raises the `ProtocolError` that answers it, `OutcomeUnknown` when the patience or, after it was sent, the
        connection ended, `ConnectionClosed` when there will be no connection, and `TryLater`
        (`too_many_pending`).
        """
        future: asyncio.Future[Message] = self._loop.create_future()
        request = Request(message, future, repeatable=repeatable, forgiven=forgiven, on_answer=on_answer)
        return await self.result(self.submit(request))

    async def result(self, request: Request) -> Message:
        """The answer to what was submitted; see `ask`. Nobody waits for it any more when this is cancelled."""
        try:
            return await request.future
        finally:
            if request.future.cancelled():
                self._take(request.message)

    def request(
        self, message: Message, *, forgiven: frozenset[str] = NONE, on_answer: Callable[[Message], None] | None = None
    ) -> Request:
        """A request to `submit`, of which nobody need ask for the result."""
        request = Request(message, self._loop.create_future(), forgiven=forgiven, on_answer=on_answer)
        request.future.add_done_callback(_retrieve)
        return request

    def submit(self, request: Request, *, at_once: bool = False) -> Request:
        """Sends now, or when there is a connection; `at_once` also before a new one is settled.

        Raises `ConnectionClosed` and `TryLater` as `ask` does.
        """
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        # Those that put a session in order are as many as it has rooms and topics.
        if len(self._table) >= self._limit and not at_once:
            raise too_many(self._limit, request.message.message_id or None)
        self._table.add(_key(request.message), request)
        self.on_change()
        if self._is_open or at_once:
            self._send(request)
        return request

    def answer(self, message_id: str, outcome: Message | ProtocolError) -> bool:
        """Hands the answer to who waits for it; False when nobody does."""
        request = self._table.settle(message_id.lower())
        if request is None:
            return False
        self.on_change()
        if request.future.done():
            return True
        if isinstance(outcome, ProtocolError):
            if request.asked < 2 or outcome.code not in request.forgiven:
                request.future.set_exception(outcome)
                return True
            outcome = AckMessage(message_id=message_id)
        if request.on_answer is not None:
            request.on_answer(outcome)
        request.future.set_result(outcome)
        return True

    def resume(self) -> None:
        """There is a connection, and the session is as it was: what waits goes out, in order."""
        self._is_open = True
        self._table.go(self._loop.time())
        for _, request in self._table:
            self._send(request)

    def settling(self) -> None:
        """There is a connection, but the session is still being put in order over it."""
        self._table.go(self._loop.time())

    def hold(self) -> None:
        """What is asked from now on waits; answers to what was asked may still come."""
        self._is_open = False

    def release(self) -> None:
        """What waited since `hold` goes out over the same connection."""
        self._is_open = True
        for _, request in self._table:
            if not request.asked:
                self._send(request)

    def suspend(self, error: HubbubError) -> None:
        """The connection ended: what was sent and is not repeatable may or may not have happened."""
        self._is_open = False
        self._table.stand(self._loop.time())
        for id, request in self._table:
            if request.asked and not request.repeatable:
                self._table.settle(id)
                _fail(request, _unknown(request, error))
        self.on_change()

    def end(self, error: HubbubError) -> None:
        """There will be no other connection."""
        self._is_open = False
        self._ended = error
        self._alarm.stop()
        for id, request in self._table:
            self._table.settle(id)
            _fail(request, _unknown(request, error) if request.asked else error)
        self.on_change()

    def _send(self, request: Request) -> None:
        now = self._loop.time()
        request.asked += 1
        request.sent_at = now
        self._table.sent(_key(request.message), now)
        self._alarm.by(self._table.next_due())
        self._transmit(request.message)

    def _expire(self) -> None:
        for request in self._table.due(self._loop.time()).given_up:
            _fail(request, OutcomeUnknown(_id(request.message)))
        self._alarm.by(self._table.next_due())
        self.on_change()

    def _take(self, message: Message) -> None:
        self._table.settle(_key(message))
        self.on_change()


def _id(message: Message) -> str:
    assert message.message_id is not UNSET
    return message.message_id


def _key(message: Message) -> str:
    return _id(message).lower()


def _unknown(request: Request, cause: HubbubError) -> OutcomeUnknown:
    error = OutcomeUnknown(_id(request.message))
    error.__cause__ = cause
    return error


def _fail(request: Request, error: HubbubError) -> None:
    if not request.future.done():
        request.future.set_exception(error)


def _retrieve(future: asyncio.Future[Message]) -> None:
    if not future.cancelled():
        future.exception()
