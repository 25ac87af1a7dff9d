"""Reliable publishing: nothing is lost, nothing is sent twice that could count twice, and the order is kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from msgspec import UNSET

from hubbub.client.alarm import Alarm
from hubbub.client.spool import Publication, SqliteSpool
from hubbub.delivery.link import Quality
from hubbub.delivery.outbox import Outbox, hold
from hubbub.delivery.retransmission import Retransmission
from hubbub.errors import BadMessage, HubbubError, OutcomeUnknown, ProtocolError
from hubbub.protocol.messages import AckMessage, ApplicationMessage, Message
from hubbub.protocol.payloads import Position

log = logging.getLogger("hubbub.client")


class Way(Protocol):
    """What publishing needs of the connection."""

    def send(self, message: Message) -> None: ...
    def wake(self) -> None: ...

    @property
    def quality(self) -> Quality: ...
    @property
    def round_trip(self) -> float | None: ...


class Publishing:
    """From `publish` to its acknowledgement.

    A message goes out at once if the link is good and nothing is before it; otherwise it waits in the outbox
    (`hubbub.delivery.outbox` says where and how long). Once sent it is pending: sent again when no
    acknowledgement comes, first over a new connection of the same session, and given up as `OutcomeUnknown`
    otherwise. Its id is what the server knows a repeat by.
    """

    def __init__(
        self,
        way: Way,
        *,
        timeout: float,
        retries: int,
        limit: int,
        outbox: Outbox[Publication],
        spool: SqliteSpool | None,
        lost: Callable[[HubbubError], None],
    ) -> None:
        """`lost` is told what became of messages that an earlier process left on disk, if it is no success."""
        self._loop = asyncio.get_running_loop()
        self._way = way
        self._pending: Retransmission[Publication] = Retransmission(timeout=timeout, retries=retries, limit=limit)
        self._pending.stand(self._loop.time())
        self._outbox = outbox
        self._spool = spool
        self._waiting: set[str] = set()
        self._alarm = Alarm(self._expire)
        self._hold = Alarm(self.flush)
        self._is_flowing = False
        self._is_draining = False
        self._ended: HubbubError | None = None
        self._lost = lost
        self.on_change: Callable[[], None] = lambda: None
        """Called when something begins or ceases to be awaited."""

    def __len__(self) -> int:
        """How many were sent and are not acknowledged."""
        return len(self._pending)

    @property
    def waiting(self) -> int:
        """How many were not sent yet."""
        return len(self._outbox)

    async def publish(self, message: ApplicationMessage, *, important: bool = False) -> Position:
        """Returns once the server's log has it, however long that takes without a connection.

        Raises what the server answers, `TryLater` (`too_many_pending`) when there is no room for it,
        `OutcomeUnknown` when it was sent and nobody can say what became of it, and `ConnectionClosed` when it
        was not sent and never will be. When the caller is cancelled, it is not sent, or not sent again.
        """
        future: asyncio.Future[Position] = self._loop.create_future()
        publication = Publication(message.message_id, message, future)
        self._submit(publication, important)
        try:
            return await future
        finally:
            if future.cancelled():
                self._withdraw(publication)

    def answer(self, message_id: str, outcome: Message | ProtocolError) -> bool:
        """The server acknowledged or refused one; False when it is none that is pending."""
        publication = self._pending.settle(message_id.lower())
        if publication is None:
            return False
        self._outbox.discard(publication)
        if isinstance(outcome, ProtocolError):
            self._fail(publication, outcome)
        elif publication.future is not None and not publication.future.done():
            publication.future.set_result(_position(outcome))
        if self._is_draining:
            self.flush()
        self.on_change()
        return True

    # --- As connections come and go --------------------------------------------------------------------

    def suspend(self) -> None:
        """The connection ended: clocks stand, and what comes waits."""
        self._is_flowing = False
        self._is_draining = False
        self._hold.stop()
        self._pending.stand(self._loop.time())

    def resume(self) -> None:
        """The connection from before goes on: clocks run again, and what waited is sent."""
        self._pending.go(self._loop.time())
        self._alarm.by(self._pending.next_due())
        self.flow()

    def repeat(self) -> None:
        """The session goes on over a new connection: what is pending goes out again, in order. `flow` follows."""
        now = self._loop.time()
        self._pending.go(now)
        for key, publication in self._pending:
            self._transmit(publication)
            self._pending.sent(key, now)
        self._alarm.by(self._pending.next_due())

    def abandon(self) -> None:
        """The session is lost: whether what is pending was published nobody can say. `flow` follows."""
        self._pending.go(self._loop.time())
        for key, publication in self._pending:
            self._pending.settle(key)
            self._outbox.discard(publication)
            self._fail(publication, OutcomeUnknown(publication.id))
        self.on_change()

    def flow(self) -> None:
        """Messages may be sent from now on; those that waited go first."""
        self._is_flowing = True
        self.flush()

    def end(self, error: HubbubError) -> None:
        """There will be no other connection. What is on disk and was not sent stays there for the next process."""
        self._ended = error
        self.suspend()
        self._alarm.stop()
        for key, publication in self._pending:
            self._pending.settle(key)
            self._outbox.discard(publication)
            unknown = OutcomeUnknown(publication.id)
            unknown.__cause__ = error
            self._fail(publication, unknown)
        while self._outbox.in_memory:
            unsent = self._outbox.take()
            assert unsent is not None
            self._fail(unsent, error if unsent.row is None else OutcomeUnknown(unsent.id))
        if self._spool is not None:
            self._spool.close()
        self.on_change()

    # --- Sending ---------------------------------------------------------------------------------------

    def checked(self) -> None:
        """The link was judged, as it is every 5 seconds: whatever it is, what waited has waited long enough."""
        if self._is_flowing and len(self._outbox):
            self.flush()

    def flush(self) -> None:
        """Sends what waits, in order, as far as there is room for it to be pending; the rest follows the acks."""
        self._hold.stop()
        self._is_draining = True
        while self._is_flowing and not self._pending.is_full:
            publication = self._outbox.take()
            if publication is None:
                self._is_draining = len(self._outbox) > 0
                break
            key = publication.id.lower()
            self._waiting.discard(key)
            if publication.message is None:
                self._outbox.discard(publication)
                self._fail(publication, BadMessage("unknown_type", "written by a program that knew other types"))
            elif key in self._pending:
                # The file had it twice: one is enough.
                self._outbox.discard(publication)
            else:
                self._send(key, publication)

    def _submit(self, publication: Publication, important: bool) -> None:
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        key = publication.id.lower()
        if key in self._pending or key in self._waiting:
            raise BadMessage("invalid_message", "this message is under way already", field="messageId")
        quality = self._way.quality
        if self._is_flowing and not len(self._outbox) and (quality == "good" or important):
            self._send(key, publication)
            return
        self._outbox.add(publication, quality if self._is_flowing else None, publication.id)
        self._waiting.add(key)
        if not self._is_flowing:
            if important:
                self._way.wake()
        elif important or quality == "good":
            self.flush()
        else:
            self._hold.by(self._loop.time() + hold(quality, self._way.round_trip))

    def _send(self, key: str, publication: Publication) -> None:
        self._pending.add(key, publication)
        self._pending.sent(key, self._loop.time())
        if not self._alarm.is_set:
            self._alarm.by(self._pending.next_due())
        self.on_change()
        try:
            self._transmit(publication)
        except BadMessage as error:
            # It has no form on the wire, or is too large for this server: it never went out.
            self.answer(publication.id, error)

    def _transmit(self, publication: Publication) -> None:
        assert publication.message is not None
        self._way.send(publication.message)

    def _expire(self) -> None:
        due = self._pending.due(self._loop.time())
        for publication in due.again:
            log.debug("message %s was not acknowledged: sent again", publication.id)
            self._transmit(publication)
        for publication in due.given_up:
            self._outbox.discard(publication)
            self._fail(publication, OutcomeUnknown(publication.id))
        self._alarm.by(self._pending.next_due())
        if due.given_up:
            if self._is_draining:
                self.flush()
            self.on_change()

    def _withdraw(self, publication: Publication) -> None:
        key = publication.id.lower()
        if self._pending.settle(key) is None and key in self._waiting:
            self._waiting.discard(key)
            self._outbox.withdraw(publication)
        else:
            self._outbox.discard(publication)
        self.on_change()

    def _fail(self, publication: Publication, error: HubbubError) -> None:
        if publication.future is None:
            log.warning("a message that an earlier process left: %s", error)
            self._lost(error)
        elif not publication.future.done():
            publication.future.set_exception(error)


def _position(ack: Message) -> Position:
    """Where the message stands; offset 0 for one that is not stored."""
    epoch = ack.epoch if isinstance(ack, AckMessage) and ack.epoch is not UNSET else ""
    return Position(epoch, 0 if ack.offset is UNSET else ack.offset)
